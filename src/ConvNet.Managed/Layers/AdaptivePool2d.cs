namespace ConvNet;

/// <summary>Base class of the adaptive pooling layers: the map is divided into a given number of windows.</summary>
/// <remarks>
/// Output (oh, ow) of an OH×OW output has the rows ⌊oh·H/OH⌋ to ⌈(oh+1)·H/OH⌉ − 1 and the columns ⌊ow·W/OW⌋ to
/// ⌈(ow+1)·W/OW⌉ − 1, as in torch. Windows overlap unless OH divides H and OW divides W.
/// </remarks>
public abstract record AdaptivePool2d : SumLayer
{
    private protected AdaptivePool2d(Extent output)
    {
        Output = OutputAttribute.Check(Kind, output);
    }

    /// <summary>The rows and columns of the output.</summary>
    public Extent Output { get; }

    /// <inheritdoc/>
    public sealed override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        Shape x = Single(inputs);
        return Output.Area * x.C <= int.MaxValue
            ? new Shape(x.C, Output.H, Output.W)
            : throw new ArgumentException($"An output of {x.C:N0}×{Output.H:N0}×{Output.W:N0} is too large: the limit "
                + $"is {int.MaxValue:N0} values.");
    }

    /// <summary>The largest window; its stride is rounded down.</summary>
    public sealed override Window? Sees(params ReadOnlySpan<Shape> inputs)
    {
        Shape x = inputs[0];
        return new Window((Largest(x.H, Output.H), Largest(x.W, Output.W)),
            (Math.Max(1, x.H / Output.H), Math.Max(1, x.W / Output.W)), 0, 1);
    }

    /// <inheritdoc/>
    public sealed override string Explain(params ReadOnlySpan<Shape> inputs)
        => $"{Output.H}×{Output.W} windows of {inputs[0].H}×{inputs[0].W}";

    /// <summary>Whether all windows have the same size and none overlap, so that an ordinary pooling layer computes the
    /// same.</summary>
    internal bool Divides(Shape x) => x.H % Output.H == 0 && x.W % Output.W == 0;

    /// <summary>Returns the inputs of an output along one axis: from Start to End − 1.</summary>
    internal static (int Start, int End) Bin(int output, int inputs, int outputs)
        => ((int)((long)output * inputs / outputs), (int)(((output + 1L) * inputs + outputs - 1) / outputs));

    private protected static AttributeDeclaration<Extent> OutputAttribute { get; }
        = AttributeDeclaration.Size<AdaptivePool2d>("output", layer => layer.Output, 1, Limits.Window);

    /// <summary>Returns the window of output <paramref name="index"/> of a map.</summary>
    private protected Patch WindowOf(Shape xs, int index)
    {
        (int oh, int ow) = Math.DivRem(index, Output.W);
        (int top, int bottom) = Bin(oh, xs.H, Output.H);
        (int left, int right) = Bin(ow, xs.W, Output.W);
        return new Patch(top, bottom, left, right);
    }

    /// <summary>Returns whether a block of the sums over windows ends before output <paramref name="index"/>.</summary>
    private protected bool EndsBlock(Shape xs, Shape ys, int index)
        => Pool2d.EndsBlock(ys, index, Overlap(xs.H, Output.H), Overlap(xs.W, Output.W));

    private static int Largest(int inputs, int outputs)
        => inputs % outputs == 0 ? inputs / outputs : Enumerable.Range(0, outputs)
            .Max(output => Bin(output, inputs, outputs) is var (start, end) ? end - start : 0);

    // Input i is in the windows ⌊i·O/I⌋ to ⌈(i+1)·O/I⌉ − 1.
    private static int Overlap(int inputs, int outputs) => Math.Min(outputs, outputs / inputs + 2);
}
