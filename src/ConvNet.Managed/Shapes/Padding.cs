namespace ConvNet;

/// <summary>
/// Rows and columns that are added around a map: one number for all sides, two for above and below and for left and
/// right, or four.
/// </summary>
/// <param name="Top">Rows above.</param>
/// <param name="Left">Columns on the left.</param>
/// <param name="Bottom">Rows below.</param>
/// <param name="Right">Columns on the right.</param>
public readonly record struct Padding(int Top, int Left, int Bottom, int Right)
{
    /// <summary>The same on all sides.</summary>
    public static implicit operator Padding(int size) => new(size, size, size, size);

    /// <summary>Above and below, then left and right.</summary>
    public static implicit operator Padding((int H, int W) size) => new(size.H, size.W, size.H, size.W);

    /// <summary>Above and below, then left and right.</summary>
    public static implicit operator Padding(Extent size) => new(size.H, size.W, size.H, size.W);

    /// <summary>Above, left, below, right.</summary>
    public static implicit operator Padding((int Top, int Left, int Bottom, int Right) sides)
        => new(sides.Top, sides.Left, sides.Bottom, sides.Right);

    /// <summary>Whether opposite sides get the same.</summary>
    public bool IsSymmetric => Top == Bottom && Left == Right;

    /// <summary>Above and left.</summary>
    internal Extent Before => new(Top, Left);

    /// <summary>Below and right.</summary>
    internal Extent Behind => new(Bottom, Right);

    /// <summary>The smallest of all sides.</summary>
    internal int Least => Math.Min(Math.Min(Top, Left), Math.Min(Bottom, Right));

    /// <summary>The largest of all sides.</summary>
    internal int Most => Math.Max(Math.Max(Top, Left), Math.Max(Bottom, Right));

    /// <summary><c>1×2</c>, or <c>(0, 0, 1, 1)</c> where opposite sides differ.</summary>
    public override string ToString()
        => IsSymmetric ? Before.ToString() : FormattableString.Invariant($"({Top}, {Left}, {Bottom}, {Right})");
}

/// <summary>What becomes of an output size that is not whole.</summary>
public enum Rounding
{
    /// <summary>It is refused: the windows must end where the padded map does.</summary>
    Exact,

    /// <summary>It is rounded down: the last rows or columns are not read.</summary>
    Floor,

    /// <summary>
    /// It is rounded up: the last window reaches beyond the padded map. A window that would begin behind the map and
    /// the padding before it is left out. Only pools round up; it is <c>ceil_mode</c> of torch and of ONNX.
    /// </summary>
    Ceiling,
}
