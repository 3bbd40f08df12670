using System.Globalization;
using static System.FormattableString;

namespace ConvNet;

/// <summary>The shape of one sample: C channels of H rows and W columns, stored row-major as C, H, W.</summary>
/// <remarks>A batch of N samples is stored as N, C, H, W. A vector of F features is F×1×1.</remarks>
public readonly record struct Shape
{
    /// <summary>Creates a shape with positive sizes.</summary>
    /// <param name="c">The number of channels.</param>
    /// <param name="h">The number of rows.</param>
    /// <param name="w">The number of columns.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is not positive, or one sample has 2^31 values or
    /// more.</exception>
    public Shape(int c, int h, int w)
    {
        if (c <= 0 || h <= 0 || w <= 0)
            throw new ArgumentOutOfRangeException(nameof(c), $"A shape of {c}×{h}×{w} has no values; channels, rows "
                + "and columns must be at least 1.");
        if ((long)c * h > int.MaxValue || (long)c * h * w > int.MaxValue)
            throw new ArgumentOutOfRangeException(nameof(c),
                Invariant($"A sample of {c}×{h}×{w} is too large: the limit is {int.MaxValue:N0} values."));
        (C, H, W) = (c, h, w);
    }

    /// <summary>The number of channels.</summary>
    public int C { get; }

    /// <summary>The number of rows.</summary>
    public int H { get; }

    /// <summary>The number of columns.</summary>
    public int W { get; }

    /// <summary>The number of values in one sample: C·H·W.</summary>
    public int Length => C * H * W;

    /// <summary>The number of values in one channel: H·W.</summary>
    public int Area => H * W;

    /// <summary>True for a vector: H = W = 1.</summary>
    public bool IsVector => H == 1 && W == 1;

    /// <summary>Creates the shape of a vector of <paramref name="features"/> values: F×1×1.</summary>
    public static Shape Vector(int features) => new(features, 1, 1);

    /// <summary>Parses a shape written as <c>3x32x32</c>.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    /// <exception cref="FormatException">The text is not three positive whole numbers separated by x.</exception>
    public static Shape Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] words = text.Split('x', '×');
        var sizes = new int[3];
        bool whole = words.Length == 3;
        for (int i = 0; whole && i < 3; i++)
            whole = int.TryParse(words[i], NumberStyles.None, CultureInfo.InvariantCulture, out sizes[i])
                && sizes[i] > 0;
        return whole
            ? new Shape(sizes[0], sizes[1], sizes[2])
            : throw new FormatException($"\"{text}\" is not a shape. Write channels, rows and columns, as in 3x32x32.");
    }

    /// <summary>Throws if the shape is the default value, which has no values and which no constructor
    /// creates.</summary>
    /// <param name="what">What the shape describes.</param>
    /// <param name="name">The name of the caller's parameter.</param>
    internal void ThrowIfDefault(string what, string name)
    {
        if (Length == 0)
            throw new ArgumentException($"{what} has the default shape, which has no values. "
                + "Pass channels, rows and columns, as in new Shape(1, 28, 28).", name);
    }

    /// <summary>Returns text such as <c>3×32×32</c>.</summary>
    public override string ToString() => $"{C}×{H}×{W}";
}
