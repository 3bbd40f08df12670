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
