using System.Globalization;

namespace ConvNet;

/// <summary>A size in rows and columns. A single number converts to the same size in both directions.</summary>
/// <param name="H">The number of rows.</param>
/// <param name="W">The number of columns.</param>
public readonly record struct Extent(int H, int W)
{
    /// <summary>Creates a size with the same number of rows and columns.</summary>
    public static implicit operator Extent(int size) => new(size, size);

    /// <summary>Creates a size from rows and columns.</summary>
    public static implicit operator Extent((int H, int W) size) => new(size.H, size.W);

    /// <summary>The product of rows and columns.</summary>
    public long Area => (long)H * W;

    /// <summary>Returns text such as <c>3×3</c>.</summary>
    public override string ToString() => $"{H}×{W}";
}

/// <summary>A window that slides over a map: the geometry of convolution and pooling.</summary>
/// <remarks>
/// The output size in each direction is (W − F + P) / S + 1. F is the reach of the kernel, (kernel − 1)·dilation + 1,
/// and P is the total padding of both sides. The result must be a whole number unless <see cref="Rounding"/> specifies
/// otherwise.
/// </remarks>
/// <param name="Kernel">The rows and columns of the kernel.</param>
/// <param name="Stride">S, the distance between adjacent positions of the window.</param>
/// <param name="Padding">The border added on each side.</param>
/// <param name="Dilation">The distance between adjacent taps; 1 is dense.</param>
/// <param name="Rounding">How an output size that is not a whole number is handled.</param>
public readonly record struct Window(Extent Kernel, Extent Stride, Padding Padding, Extent Dilation,
    Rounding Rounding = Rounding.Exact)
{
    /// <summary>F, the rows and columns from the first tap to the last: (kernel − 1)·dilation + 1.</summary>
    public Extent Reach => new((Kernel.H - 1) * Dilation.H + 1, (Kernel.W - 1) * Dilation.W + 1);

    /// <summary>Throws unless every size is in range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A kernel, stride or dilation is less than 1, a padding is negative, or a size exceeds the limit.
    /// </exception>
    internal void Validate(string layer)
    {
        if (Kernel.H < 1 || Kernel.W < 1 || Stride.H < 1 || Stride.W < 1 || Dilation.H < 1 || Dilation.W < 1)
            throw new ArgumentOutOfRangeException(layer, $"{layer}: kernel {Kernel}, stride {Stride} and dilation "
                + $"{Dilation} must be at least 1.");
        if (Padding.Least < 0)
            throw new ArgumentOutOfRangeException(layer, $"{layer}: padding {Padding} must not be negative.");
        if (!IsInRange)
        {
            throw new ArgumentOutOfRangeException(
                layer,
                $"{layer}: kernel {Kernel}, dilation {Dilation}, stride {Stride}, padding {Padding}: "
                + $"kernel × dilation, stride and padding must be at most {Limits.Window:N0} each.");
        }
    }

    /// <summary>Whether every size is in range.</summary>
    internal bool IsInRange => Padding.Least >= 0 && Padding.Most <= Limits.Window
        && IsInRangeAlong(Kernel.H, Stride.H, Dilation.H) && IsInRangeAlong(Kernel.W, Stride.W, Dilation.W);

    /// <summary>Computes the rows and columns of the output for an input map.</summary>
    /// <exception cref="ArgumentException">The window does not tile the map; the message suggests settings that
    /// do.</exception>
    public Extent Output(Shape input)
    {
        Shape output = Output(input, channels: 1, pools: false);
        return new Extent(output.H, output.W);
    }

    /// <summary>Computes the shape of the output for an input map.</summary>
    /// <param name="input">The shape of the map.</param>
    /// <param name="channels">The number of channels of the output.</param>
    /// <param name="pools">Whether the layer is a pooling layer, which limits the padding.</param>
    /// <exception cref="ArgumentException">The window does not tile the map, or the output is too large.</exception>
    internal Shape Output(Shape input, int channels, bool pools)
    {
        WindowAxis rows = Rows(input), columns = Columns(input);
        if (rows.Problem(this, pools, "high") is { } high)
            throw ArgumentErrors.WithAdvice(high, WindowAdvice.For(this, input, channels, pools).Text());
        if (columns.Problem(this, pools, "wide") is { } wide)
            throw ArgumentErrors.WithAdvice(wide, WindowAdvice.For(this, input, channels, pools).Text());
        long h = rows.Output, w = columns.Output;
        return FitsShape(channels, h, w)
            ? new Shape(channels, (int)h, (int)w)
            : throw new ArgumentException(
                $"An output of {channels:N0}×{h:N0}×{w:N0} is too large: the limit is {int.MaxValue:N0} values.");
    }

    /// <summary>Whether <see cref="Output(Shape, int, bool)"/> succeeds.</summary>
    internal bool Accepts(Shape input, int channels, bool pools)
        => IsInRange && (!pools || (PadsAtMostHalf && !Rows(input).StepsOver && !Columns(input).StepsOver))
        && Rows(input).Tiles && Columns(input).Tiles
        && FitsShape(channels, Rows(input).Output, Columns(input).Output);

    /// <summary>Whether no pooling window can cover padding alone.</summary>
    internal bool PadsAtMostHalf => Math.Max(Padding.Top, Padding.Bottom) <= Reach.H / 2
        && Math.Max(Padding.Left, Padding.Right) <= Reach.W / 2;

    /// <summary>The window along the rows of a map.</summary>
    internal WindowAxis Rows(Shape input) => new(input.H, Kernel.H, Stride.H, Padding.Top, Padding.Bottom, Dilation.H,
        Rounding);

    /// <summary>The window along the columns of a map.</summary>
    internal WindowAxis Columns(Shape input) => new(input.W, Kernel.W, Stride.W, Padding.Left, Padding.Right,
        Dilation.W, Rounding);

    /// <summary>
    /// Formats the formula of the output size with its numbers, such as <c>(32 − 5 + 2·2) / 1 + 1 = 32</c>. If rows and
    /// columns differ, both are given as rows × columns.
    /// </summary>
    public string Explain(Shape input)
    {
        string rows = Rows(input).Explain(), columns = Columns(input).Explain();
        return rows == columns ? columns : $"{rows} × {columns}";
    }

    private static bool IsInRangeAlong(int kernel, int stride, int dilation) => kernel >= 1 && stride >= 1
        && dilation >= 1 && (long)kernel * dilation <= Limits.Window && stride <= Limits.Window;

    private static bool FitsShape(int channels, long h, long w)
        => h <= int.MaxValue && w <= int.MaxValue && h * w <= int.MaxValue && h * w * channels <= int.MaxValue;
}

/// <summary>A window in one direction of a map.</summary>
internal readonly record struct WindowAxis(
    int Size, int Kernel, int Stride, int Before, int Behind, int Dilation, Rounding Rounding)
{
    /// <summary>The distance from the first tap to the last, both included.</summary>
    public long Reach => (Kernel - 1L) * Dilation + 1;

    /// <summary>The distance that the window can move.</summary>
    public long Span => Size - Reach + Before + Behind;

    /// <summary>Whether the window fits the padded map and ends at its end or may be rounded.</summary>
    public bool Tiles => Span >= 0 && (Rounding != Rounding.Exact || Span % Stride == 0);

    /// <summary>Whether a window has no value of the map, because adjacent taps are before and after it.</summary>
    public bool StepsOver
    {
        get
        {
            long last = Math.Min(-1, (Output - 1) * Stride - Before);
            for (long start = -Before; Dilation > Size && start <= last; start += Stride)
            {
                if (start + (-start + Dilation - 1) / Dilation * Dilation >= Size)
                    return true;
            }
            return false;
        }
    }

    /// <summary>The number of positions of the window, if it fits.</summary>
    public long Output => Span / Stride + (RoundsUp ? 2 : 1);

    /// <summary>Explains why the window does not tile the map; null if it does.</summary>
    public string? Problem(Window window, bool pools, string direction)
    {
        string kind = pools ? "window" : "filter", values = $"W = {Size}, F = {Reach}, S = {Stride}, P = {Padding}";
        if (Tiles)
        {
            return pools && StepsOver
                ? $"A {window.Kernel} window with dilation {Dilation} and padding {Padding} steps over a "
                    + $"{Size}-{direction} input: one of its positions contains only padding."
                : null;
        }
        return Span < 0
            ? $"A {window.Kernel} {kind} (reach {Reach}) does not fit a {Size}-{direction} input "
                + $"with padding {Padding}: {values}."
            : $"A {window.Kernel} stride-{Stride} {kind} does not tile a {Size}-{direction} input: "
                + $"{Formula} is not whole ({values}).";
    }

    /// <summary>Formats the formula with its numbers and how the result was rounded.</summary>
    public string Explain() => Formula + (Span % Stride == 0 ? "" : RoundsUp ? ", rounded up" : ", rounded down");

    // As in PyTorch, a last window that would start in the padding after the map is omitted.
    private bool RoundsUp => Rounding == Rounding.Ceiling && Span % Stride != 0
        && (Span / Stride + 1) * Stride < (long)Size + Before;

    private string Padding => Before == Behind ? $"{Before}" : $"{Before} + {Behind}";

    private string Formula => string.Create(
        CultureInfo.InvariantCulture,
        $"({Size} − {Reach} + {PaddingOfBoth(Before, Behind)}) / {Stride} + 1 = {(double)Span / Stride + 1:0.##}");

    /// <summary>Formats the padding of both sides in a formula: <c>2·1</c>, or <c>0 + 1</c> if they differ.</summary>
    public static string PaddingOfBoth(long before, long behind)
        => before == behind ? $"2·{before}" : $"{before} + {behind}";
}

/// <summary>The outputs of one row for which a tap falls inside the input:
/// <c>input = output·stride + offset</c>.</summary>
/// <param name="First">The first such output.</param>
/// <param name="Count">The number of such outputs.</param>
/// <param name="Start">The input position of the first output.</param>
internal readonly record struct TapRange(int First, int Count, int Start)
{
    /// <summary>Computes the range of one tap.</summary>
    /// <param name="outputs">The number of outputs in the row.</param>
    /// <param name="inputs">The number of inputs in the row.</param>
    /// <param name="stride">The stride S.</param>
    /// <param name="offset">The input position that output 0 reads: tap·dilation − padding.</param>
    public static TapRange Of(int outputs, int inputs, int stride, int offset)
    {
        int first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
        int end = inputs - 1 < offset ? 0 : Math.Min(outputs, (inputs - 1 - offset) / stride + 1);
        return first < end ? new(first, end - first, first * stride + offset) : default;
    }
}
