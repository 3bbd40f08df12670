namespace ConvNet;

/// <summary>
/// The rows and columns added around a map. Given as one number for all sides, as two numbers (top and bottom, left and
/// right), or as four.
/// </summary>
/// <param name="Top">The number of rows above.</param>
/// <param name="Left">The number of columns on the left.</param>
/// <param name="Bottom">The number of rows below.</param>
/// <param name="Right">The number of columns on the right.</param>
public readonly record struct Padding(int Top, int Left, int Bottom, int Right)
{
    /// <summary>Creates equal padding on all sides.</summary>
    public static implicit operator Padding(int size) => new(size, size, size, size);

    /// <summary>Creates padding from the sizes at top and bottom, and at left and right.</summary>
    public static implicit operator Padding((int H, int W) size) => new(size.H, size.W, size.H, size.W);

    /// <summary>Creates padding from the sizes at top and bottom, and at left and right.</summary>
    public static implicit operator Padding(Extent size) => new(size.H, size.W, size.H, size.W);

    /// <summary>Creates padding from the sizes at top, left, bottom and right.</summary>
    public static implicit operator Padding((int Top, int Left, int Bottom, int Right) sides)
        => new(sides.Top, sides.Left, sides.Bottom, sides.Right);

    /// <summary>Returns the padding with which a window of stride 1 preserves the size of every map. If it is odd in
    /// total, the bottom and the right get one more, as in torch's <c>padding="same"</c>.</summary>
    /// <param name="kernel">The rows and columns of the kernel.</param>
    /// <param name="dilation">The distance between taps; defaults to 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is less than 1, or the reach of the kernel exceeds the
    /// limit of a window.</exception>
    public static Padding Same(Extent kernel, Extent? dilation = null)
    {
        Extent reach = ReachOf(kernel, 1, dilation ?? 1);
        return ((reach.H - 1) / 2, (reach.W - 1) / 2, reach.H / 2, reach.W / 2);
    }

    /// <summary>Returns the padding with which a window has ⌈size / stride⌉ outputs on a map: <c>SAME_UPPER</c> of
    /// ONNX, and <c>same</c> of TensorFlow. If it is odd in total, the bottom and the right get one more.</summary>
    /// <inheritdoc cref="SameLower"/>
    public static Padding SameUpper(Shape input, Extent kernel, Extent stride, Extent? dilation = null)
    {
        Extent both = Total(input, kernel, stride, dilation ?? 1);
        return (both.H / 2, both.W / 2, both.H - both.H / 2, both.W - both.W / 2);
    }

    /// <summary>Returns the padding with which a window has ⌈size / stride⌉ outputs on a map: <c>SAME_LOWER</c> of
    /// ONNX. If it is odd in total, the top and the left get one more.</summary>
    /// <remarks>The window then starts at the beginning of the padded map and ends at its end or, if the padding is 0,
    /// before it: such a layer needs <see cref="Rounding.Floor"/>.</remarks>
    /// <param name="input">The shape of the map.</param>
    /// <param name="kernel">The rows and columns of the kernel.</param>
    /// <param name="stride">The stride in rows and columns.</param>
    /// <param name="dilation">The distance between taps; defaults to 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is less than 1 or exceeds the limit of a
    /// window.</exception>
    /// <exception cref="ArgumentException">The shape has no values.</exception>
    public static Padding SameLower(Shape input, Extent kernel, Extent stride, Extent? dilation = null)
    {
        Extent both = Total(input, kernel, stride, dilation ?? 1);
        return (both.H - both.H / 2, both.W - both.W / 2, both.H / 2, both.W / 2);
    }

    /// <summary>Whether opposite sides have the same padding.</summary>
    public bool IsSymmetric => Top == Bottom && Left == Right;

    /// <summary>The padding at top and left.</summary>
    internal Extent Before => new(Top, Left);

    /// <summary>The padding at bottom and right.</summary>
    internal Extent Behind => new(Bottom, Right);

    /// <summary>The smallest padding of all sides.</summary>
    internal int Least => Math.Min(Math.Min(Top, Left), Math.Min(Bottom, Right));

    /// <summary>The largest padding of all sides.</summary>
    internal int Most => Math.Max(Math.Max(Top, Left), Math.Max(Bottom, Right));

    // The sum of the padding on opposite sides: what the last window needs beyond the map.
    private static Extent Total(Shape input, Extent kernel, Extent stride, Extent dilation)
    {
        input.ThrowIfDefault("The map", nameof(input));
        Extent reach = ReachOf(kernel, stride, dilation);
        return (Along(input.H, stride.H, reach.H), Along(input.W, stride.W, reach.W));

        static int Along(int size, int stride, int reach) => Math.Max(0, (size - 1) / stride * stride + reach - size);
    }

    private static Extent ReachOf(Extent kernel, Extent stride, Extent dilation)
    {
        var window = new Window(kernel, stride, 0, dilation);
        window.Validate(nameof(Padding));
        return window.Reach;
    }

    /// <summary>Returns text such as <c>1×2</c>, or <c>(0, 0, 1, 1)</c> if opposite sides differ.</summary>
    public override string ToString()
        => IsSymmetric ? Before.ToString() : FormattableString.Invariant($"({Top}, {Left}, {Bottom}, {Right})");
}

/// <summary>Specifies how an output size that is not a whole number is handled.</summary>
public enum Rounding
{
    /// <summary>It is an error: the last window must end at the end of the padded map.</summary>
    Exact,

    /// <summary>The size is rounded down: the last rows or columns are not read.</summary>
    Floor,

    /// <summary>
    /// The size is rounded up: the last window extends beyond the padded map. A window that would start in the padding
    /// after the map is omitted. Only pooling layers round up. This is <c>ceil_mode</c> in PyTorch and ONNX.
    /// </summary>
    Ceiling,
}
