using System.Globalization;

namespace ConvNet;

/// <summary>A size in rows and columns; a single number stands for both.</summary>
public readonly record struct Extent(int H, int W)
{
    /// <summary>The same number of rows and columns.</summary>
    public static implicit operator Extent(int size) => new(size, size);

    /// <summary>Rows, then columns.</summary>
    public static implicit operator Extent((int H, int W) size) => new(size.H, size.W);

    /// <summary>The product of both.</summary>
    public int Area => H * W;

    /// <summary><c>3×3</c>.</summary>
    public override string ToString() => $"{H}×{W}";
}

/// <summary>A window that slides over a map: the geometry that convolution and pooling share.</summary>
/// <remarks>
/// Output size, per direction: (W − F + 2P) / S + 1 with F the kernel's reach, (kernel − 1)·dilation + 1.
/// It must be a whole number unless <see cref="RoundDown"/> is set.
/// </remarks>
/// <param name="Kernel">F, the window's rows and columns.</param>
/// <param name="Stride">S, the step from one position to the next.</param>
/// <param name="Padding">P, the border added on each side.</param>
/// <param name="Dilation">Distance between neighbouring taps; 1 is dense.</param>
/// <param name="RoundDown">Whether an output size that is not whole is rounded down.</param>
public readonly record struct Window(Extent Kernel, Extent Stride, Extent Padding, Extent Dilation, bool RoundDown = false)
{
    /// <summary>Rows and columns from the first tap to the last: (kernel − 1)·dilation + 1.</summary>
    public Extent Reach => new((Kernel.H - 1) * Dilation.H + 1, (Kernel.W - 1) * Dilation.W + 1);

    /// <summary>Throws unless every size is in its range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A kernel, stride or dilation below 1, or a negative padding.</exception>
    internal void Validate(string layer)
    {
        if (Kernel.H < 1 || Kernel.W < 1 || Stride.H < 1 || Stride.W < 1 || Dilation.H < 1 || Dilation.W < 1)
            throw new ArgumentOutOfRangeException(layer, $"{layer}: kernel {Kernel}, stride {Stride} and dilation {Dilation} start at 1.");
        if (Padding.H < 0 || Padding.W < 0)
            throw new ArgumentOutOfRangeException(layer, $"{layer}: padding {Padding} is negative; 0 adds no border.");
        if ((long)Kernel.H * Dilation.H > MaxReach || (long)Kernel.W * Dilation.W > MaxReach || Math.Max(Padding.H, Padding.W) > MaxReach
            || Math.Max(Stride.H, Stride.W) > MaxReach)
            throw new ArgumentOutOfRangeException(layer, $"{layer}: kernel {Kernel}, dilation {Dilation}, stride {Stride}, padding {Padding}: the limit is {MaxReach:N0}.");
    }

    private const int MaxReach = 1 << 20;

    /// <summary>Rows and columns of the output for an input map.</summary>
    /// <exception cref="ArgumentException">The window does not tile the map; the message names settings that do.</exception>
    public Extent Output(Shape input) => new(
        Output(input.H, Reach.H, Stride.H, Padding.H, "high"),
        Output(input.W, Reach.W, Stride.W, Padding.W, "wide"));

    /// <summary>The formula of the output's size with its numbers, as <c>(32 − 5 + 2·2) / 1 + 1 = 32</c>; rows × columns where they differ.</summary>
    public string Explain(Shape input)
    {
        string rows = Explain(input.H, Reach.H, Stride.H, Padding.H), columns = Explain(input.W, Reach.W, Stride.W, Padding.W);
        return rows == columns ? columns : $"{rows} × {columns}";
    }

    private int Output(int size, int reach, int stride, int padding, string direction)
    {
        long span = (long)size - reach + 2L * padding;
        if (span < 0)
            throw new ArgumentException(
                $"A {Kernel} filter (reach {reach}) does not fit a {size}-{direction} input with padding {padding}: W = {size}, F = {reach}, S = {stride}, P = {padding}. "
                + $"Padding {(reach - size + 1) / 2} or more, or a filter of at most {size + 2 * padding} fits.");
        if (span % stride != 0 && !RoundDown)
            throw new ArgumentException(
                $"A {Kernel} stride-{stride} filter does not tile a {size}-{direction} input: {Formula(size, reach, stride, padding)} is not whole "
                + $"(W = {size}, F = {reach}, S = {stride}, P = {padding}). {WaysOut(size, reach, stride, padding)} fits, or set roundDown.");
        long output = span / stride + 1;
        return output <= int.MaxValue ? (int)output : throw new ArgumentException($"An output of {output:N0} rows or columns is too large.");
    }

    private static string Explain(int size, int reach, int stride, int padding)
        => Formula(size, reach, stride, padding) + ((size - reach + 2L * padding) % stride == 0 ? "" : ", rounded down");

    private static string Formula(int size, int reach, int stride, int padding)
    {
        double output = (size - reach + 2.0 * padding) / stride + 1;
        return string.Create(CultureInfo.InvariantCulture, $"({size} − {reach} + 2·{padding}) / {stride} + 1 = {output:0.##}");
    }

    private static string WaysOut(int size, int reach, int stride, int padding)
    {
        int span = size - reach + 2 * padding;
        IEnumerable<int> paddings = Enumerable.Range(0, padding + stride + 1)
            .Where(p => size - reach + 2 * p >= 0 && (size - reach + 2 * p) % stride == 0)
            .OrderBy(p => Math.Abs(p - padding)).Take(2).Order();
        IEnumerable<int> strides = Enumerable.Range(1, Math.Max(1, span))
            .Where(s => span % s == 0)
            .OrderBy(s => Math.Abs(s - stride)).Take(3).Order();
        string paddingText = string.Join(", ", paddings), strideText = string.Join(", ", strides);
        return paddingText.Length == 0 ? $"Stride {strideText}" : $"Padding {paddingText} or stride {strideText}";
    }
}

/// <summary>The outputs of one row for which a tap falls inside the input: <c>input = output·stride + offset</c>.</summary>
/// <param name="First">The first such output.</param>
/// <param name="Count">How many there are.</param>
/// <param name="Start">The input position of the first.</param>
internal readonly record struct TapRange(int First, int Count, int Start)
{
    /// <summary>The range of one tap.</summary>
    /// <param name="outputs">Outputs in the row.</param>
    /// <param name="inputs">Inputs in the row.</param>
    /// <param name="stride">S.</param>
    /// <param name="offset">The input position that output 0 reads: tap·dilation − P.</param>
    public static TapRange Of(int outputs, int inputs, int stride, int offset)
    {
        int first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
        int end = inputs - 1 < offset ? 0 : Math.Min(outputs, (inputs - 1 - offset) / stride + 1);
        return first < end ? new(first, end - first, first * stride + offset) : default;
    }
}
