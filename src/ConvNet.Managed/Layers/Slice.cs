namespace ConvNet;

/// <summary>A dimension of a sample.</summary>
public enum SliceAxis
{
    /// <summary>The channels.</summary>
    Channels,

    /// <summary>The rows.</summary>
    Rows,

    /// <summary>The columns.</summary>
    Columns,
}

/// <summary>Selects consecutive channels, rows or columns: y[n,c,h,w] = x[n,start + c,h,w] for channels.</summary>
/// <remarks>x: N×C×H×W; y has <see cref="Length"/> channels, rows or columns instead. Backward: dx is dy in the slice
/// and 0 outside it. Both passes only copy values. <see cref="Sequential.Split"/> divides all channels.</remarks>
public sealed record Slice : Layer
{
    private static readonly AttributeDeclaration<SliceAxis> s_axis
        = AttributeDeclaration.Choice<Slice, SliceAxis>("axis", layer => layer.Axis,
            [("channels", SliceAxis.Channels), ("rows", SliceAxis.Rows), ("columns", SliceAxis.Columns)],
            SliceAxis.Channels);

    private static readonly AttributeDeclaration<int> s_start
        = AttributeDeclaration.Integer<Slice>("start", layer => layer.Start, 0, least: 0),
        s_length = AttributeDeclaration.Integer<Slice>("length", layer => layer.Length, 1);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("slice", "consecutive channels, rows or columns",
        [s_axis, s_start, s_length],
        values => new Slice(values.Get(s_axis), values.Get(s_start), values.Get(s_length)))
    {
        Examples =
        [
            new("slice of channels", new Slice(SliceAxis.Channels, 3, 17), 2, new Shape(22, 3, 4)),
            new("slice of a block of channels", new Slice(SliceAxis.Channels, 16, 16), 2, new Shape(35, 3, 2)),
            new("slice of rows", new Slice(SliceAxis.Rows, 1, 3), 2, new Shape(17, 5, 3)),
            new("slice of columns", new Slice(SliceAxis.Columns, 2, 1), 2, new Shape(5, 2, 3)),
        ],
        Random = [draw => Random(draw, draw.Shape())],
        Fitting = (draw, _, x) => Random(draw, x).Layer,
    };

    /// <summary>Describes a slice.</summary>
    /// <param name="axis">The dimension to slice.</param>
    /// <param name="start">The first channel, row or column.</param>
    /// <param name="length">The number of channels, rows or columns.</param>
    /// <exception cref="ArgumentOutOfRangeException">The start is negative, or the length is less than 1.</exception>
    public Slice(SliceAxis axis = SliceAxis.Channels, int start = 0, int length = 1)
    {
        Axis = s_axis.Check(Kind, axis);
        Start = s_start.Check(Kind, start);
        Length = s_length.Check(Kind, length);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>The dimension that is sliced.</summary>
    public SliceAxis Axis { get; }

    /// <summary>The first channel, row or column.</summary>
    public int Start { get; }

    /// <summary>The number of channels, rows or columns.</summary>
    public int Length { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        Shape x = Single(inputs);
        int size = SizeOf(x);
        if ((long)Start + Length > size)
        {
            throw ArgumentErrors.WithAdvice(
                $"A slice of {Length} {Declared.Attributes[0].TextOf(this)} from {Start} on exceeds the {size} of a "
                + $"{x} input.", $"{(Start < size ? $"At most {size - Start} fit there" : $"Start below {size}")}.");
        }
        return Axis switch
        {
            SliceAxis.Channels => new Shape(Length, x.H, x.W),
            SliceAxis.Rows => new Shape(x.C, Length, x.W),
            _ => new Shape(x.C, x.H, Length),
        };
    }

    /// <inheritdoc/>
    public override Accuracy Accuracy => Accuracy.Moves;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs)
        => $"{Declared.Attributes[0].TextOf(this)} {Start} to {Start + Length - 1} of {SizeOf(inputs[0])}";

    /// <inheritdoc/>
    public override void Forward<T>(in Frame<T> f)
    {
        (int outer, int step, int offset, int run) = Runs(f.N, f.XShape(0));
        for (int i = 0; i < outer; i++)
            f.X(0).Slice(i * step + offset, run).CopyTo(f.Y[(i * run)..]);
    }

    /// <inheritdoc/>
    public override void Backward<T>(in Frame<T> f)
    {
        if (!f.WantsDX(0))
            return;
        (int outer, int step, int offset, int run) = Runs(f.N, f.XShape(0));
        f.DX(0).Clear();
        for (int i = 0; i < outer; i++)
            f.DY.Slice(i * run, run).CopyTo(f.DX(0)[(i * step + offset)..]);
    }

    private int SizeOf(Shape x) => Axis switch
    {
        SliceAxis.Channels => x.C,
        SliceAxis.Rows => x.H,
        _ => x.W,
    };

    // The slice consists of runs of consecutive values at the same offset in parts of the input.
    private (int Outer, int Step, int Offset, int Run) Runs(int n, Shape x)
    {
        int inner = Axis switch
        {
            SliceAxis.Channels => x.Area,
            SliceAxis.Rows => x.W,
            _ => 1,
        };
        int step = SizeOf(x) * inner;
        return ((int)((long)n * x.Length / step), step, Start * inner, Length * inner);
    }

    private static LayerExample Random(RandomDraw draw, Shape x)
    {
        SliceAxis axis = draw.Of(SliceAxis.Channels, SliceAxis.Channels, SliceAxis.Rows, SliceAxis.Columns);
        int size = new Slice(axis).SizeOf(x), start = draw.Below(size);
        if (axis == SliceAxis.Channels && draw.OneIn(2))
            start = start / 16 * 16;
        return new("slice", new Slice(axis, start, draw.Between(1, size - start)), draw.Batch(), x);
    }
}
