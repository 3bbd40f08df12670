namespace ConvNet;

/// <summary>Global max pooling: y[n,c] is the largest value of x[n,c].</summary>
/// <remarks>
/// x: N×C×H×W, y: N×C×1×1. Ties go to the first maximum in row-major order; of several NaNs, the last is taken.
/// Backward: dy goes to the maximum. Source: Oquab et al., CVPR 2015.
/// </remarks>
public sealed record GlobalMaxPool2d : SumLayer
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("globalmaxpool", "largest value of each map", [],
        _ => new GlobalMaxPool2d())
    {
        Examples =
        [
            new("global maxpool", new GlobalMaxPool2d(), 2, new Shape(5, 4, 7)),
            new("global maxpool of a large map", new GlobalMaxPool2d(), 1, new Shape(2, 17, 16)),
        ],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Shape.Vector(Single(inputs).C);

    /// <inheritdoc/>
    public override IEnumerable<Kink> Kinks(IReadOnlyList<double[]> x, params IReadOnlyList<Shape> inputs)
    {
        Patch all = All(inputs[0]);
        return WindowMaxima.Kinks(x[0], inputs[0], Infer(inputs[0]), _ => all);
    }

    /// <inheritdoc/>
    public override float NeutralInput => float.NegativeInfinity;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public override Window? Sees(params ReadOnlySpan<Shape> inputs) => new Window((inputs[0].H, inputs[0].W), 1, 0, 1);

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs) => $"maximum of {inputs[0].H}×{inputs[0].W}";

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        Patch all = All(f.XShape(0));
        WindowMaxima.Forward(f, _ => all);
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        Patch all = All(f.XShape(0));
        WindowMaxima.Backward(f, _ => all, _ => false);
    }

    private static Patch All(Shape x) => new(0, x.H, 0, x.W);
}
