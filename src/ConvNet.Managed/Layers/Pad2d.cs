namespace ConvNet;

/// <summary>The values that padding adds around a map.</summary>
public enum PadMode
{
    /// <summary>Zeros.</summary>
    Zeros,

    /// <summary>The map reflected at its first and last rows and columns, which are not repeated.</summary>
    Reflect,

    /// <summary>The value of the nearest pixel of the map.</summary>
    Replicate,
}

/// <summary>Pads maps: y[n,c,h,w] = x[n,c,h − top,w − left] inside the map; outside it, a value that depends on the
/// mode.</summary>
/// <remarks>
/// x: N×C×H×W, y: N×C×(top + H + bottom)×(left + W + right). In <see cref="PadMode.Reflect"/>, padding must be less
/// than the size of the map. Backward: dx is the sum of dy over all copies of x. The semantics are those of torch.
/// </remarks>
public sealed record Pad2d : Resampling2d
{
    private const PadMode UsualMode = PadMode.Zeros;

    private static readonly AttributeDeclaration<Padding> s_padding
        = AttributeDeclaration.Pads<Pad2d>("padding", layer => layer.Padding, Limits.Window);

    private static readonly AttributeDeclaration<PadMode> s_mode
        = AttributeDeclaration.Choice<Pad2d, PadMode>("mode", layer => layer.Mode,
            [("zeros", PadMode.Zeros), ("reflect", PadMode.Reflect), ("replicate", PadMode.Replicate)], UsualMode);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("pad", "padding of maps",
        [s_padding, s_mode], values => new Pad2d(values.Get(s_padding), values.Get(s_mode)))
    {
        Examples =
        [
            new("pad with zeros", new Pad2d((1, 0, 2, 3)), 2, new Shape(17, 3, 4)),
            new("pad by reflection", new Pad2d((2, 3, 1, 3), PadMode.Reflect), 2, new Shape(5, 3, 4)),
            new("pad by replication", new Pad2d((1, 3, 2, 0), PadMode.Replicate), 2, new Shape(3, 4, 2)),
            new("pad one value", new Pad2d((7, 6), PadMode.Replicate), 1, new Shape(1, 1, 1)),
        ],
        Fitting = (draw, _, x) => new Pad2d((draw.Below(Math.Min(2, x.H)), draw.Below(Math.Min(2, x.W))),
            draw.Of(PadMode.Zeros, PadMode.Reflect, PadMode.Replicate)),
    };

    /// <summary>Describes a padding layer.</summary>
    /// <param name="padding">The rows and columns added on each side: one number; rows and columns; or top, left,
    /// bottom and right.</param>
    /// <param name="mode">The values that are added.</param>
    /// <exception cref="ArgumentOutOfRangeException">A padding is negative or too large.</exception>
    public Pad2d(Padding padding = default, PadMode mode = UsualMode)
    {
        if (padding.Least < 0)
        {
            throw new ArgumentOutOfRangeException(nameof(padding),
                $"{Kind}: padding {padding} must not be negative. A {nameof(Slice)} removes rows or columns.");
        }
        Padding = s_padding.Check(Kind, padding);
        Mode = s_mode.Check(Kind, mode);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>The rows and columns added on each side.</summary>
    public Padding Padding { get; }

    /// <summary>The values that are added.</summary>
    public PadMode Mode { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        Shape x = Single(inputs);
        if (Mode == PadMode.Reflect && (Math.Max(Padding.Top, Padding.Bottom) >= x.H
            || Math.Max(Padding.Left, Padding.Right) >= x.W))
        {
            throw ArgumentErrors.WithAdvice(
                $"A reflection of a {x.H}×{x.W} map has at most {x.H - 1} rows and {x.W - 1} columns; the padding is "
                + $"{Padding}.", "Use less padding, or replicate.");
        }
        long h = (long)x.H + Padding.Top + Padding.Bottom, w = (long)x.W + Padding.Left + Padding.Right;
        return x.C * h * w is > 0 and <= int.MaxValue && h * w <= int.MaxValue
            ? new Shape(x.C, (int)h, (int)w)
            : throw new ArgumentException(
                $"An output of {x.C:N0}×{h:N0}×{w:N0} is too large: the limit is {int.MaxValue:N0} values.");
    }

    /// <inheritdoc/>
    public override Window? Sees(params ReadOnlySpan<Shape> inputs) => new Window(1, 1, Padding, 1);

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs)
        => $"{Padding.Top} + {inputs[0].H} + {Padding.Bottom} × {Padding.Left} + {inputs[0].W} + {Padding.Right}";

    internal override AxisTaps RowTaps(Shape x) => Taps(x.H, Padding.Top, Padding.Bottom);

    internal override AxisTaps ColumnTaps(Shape x) => Taps(x.W, Padding.Left, Padding.Right);

    private AxisTaps Taps(int size, int before, int behind)
        => AxisTaps.Copies(before + size + behind, size, output =>
        {
            int i = output - before;
            return Mode switch
            {
                PadMode.Reflect => i < 0 ? -i : i < size ? i : 2 * (size - 1) - i,
                PadMode.Replicate => Math.Clamp(i, 0, size - 1),
                _ => i < size ? i : -1,
            };
        });
}
