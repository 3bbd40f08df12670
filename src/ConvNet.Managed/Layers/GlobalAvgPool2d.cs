namespace ConvNet;

/// <summary>Global average pooling: y[n,c] is the mean of x[n,c] over the whole map.</summary>
/// <remarks>x: N×C×H×W, y: N×C×1×1. Backward: dx = dy / (H·W). Source: Lin, Chen and Yan, ICLR 2014.</remarks>
public sealed record GlobalAvgPool2d : SumLayer
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("gap", "mean of each map", [], _ => new GlobalAvgPool2d())
    {
        Examples = [new("global avgpool", new GlobalAvgPool2d(), 2, new Shape(5, 4, 8))],
        Random = [draw => new("gap", new GlobalAvgPool2d(), draw.Batch(), draw.Shape())],
        LongSums = [LargeMap],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Shape.Vector(Single(inputs).C);

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => inputs[0].Area;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public override Window? Sees(params ReadOnlySpan<Shape> inputs) => new Window((inputs[0].H, inputs[0].W), 1, 0, 1);

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs) => $"mean of {inputs[0].H}×{inputs[0].W}";

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        int area = f.XShape(0).Area;
        T share = T.One / T.CreateChecked(area);
        f.For(f.N * f.XShape(0).C, map => f.Y[map] = Rows.Sum<T, TSum>(f.X(0).Slice(map * area, area)) * share);
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        if (!f.WantsDX(0))
            return;
        int area = f.XShape(0).Area;
        T share = T.One / T.CreateChecked(area);
        f.For(f.N * f.XShape(0).C, map => f.DX(0).Slice(map * area, area).Fill(TSum.Of(f.DY[map]) * share));
    }

    private static LayerExample LargeMap(RandomDraw draw)
    {
        int rows = draw.Between(150, 350);
        return new("gap", new GlobalAvgPool2d(), draw.Between(1, 2),
            new Shape(draw.Between(1, 3), rows, draw.ManyTerms() / rows + 1));
    }
}
