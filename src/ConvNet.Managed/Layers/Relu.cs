namespace ConvNet;

/// <summary>Rectified linear unit, elementwise: y = max(x, 0).</summary>
/// <remarks>
/// Backward: dx = dy where y &gt; 0, else 0. The derivative at 0 is 0, and a NaN stays a NaN.
/// y and dx have the shape of x. Source: Nair and Hinton, ICML 2010.
/// </remarks>
public sealed record Relu : FusableActivation
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("relu", "y = max(x, 0)", [], _ => new Relu())
    {
        Examples = [new("relu", new Relu(), 3, new Shape(3, 5, 7))],
        Random = [draw => new("relu", new Relu(), draw.Batch(), draw.Shape())],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    protected override IReadOnlyList<double> KinkPositions => [0];

    /// <inheritdoc/>
    public override void Forward<T>(in Frame<T> f)
    {
        ReadOnlySpan<T> x = f.X(0);
        Span<T> y = f.Y;
        for (int i = 0; i < y.Length; i++)
            y[i] = x[i] <= T.Zero ? T.Zero : x[i];      // not Max: NaN must propagate
    }

    /// <inheritdoc/>
    public override void Backward<T>(in Frame<T> f)
    {
        if (!f.WantsDX(0))
            return;
        // The mask comes from y, not x, because a fused convolution keeps only y.
        ReadOnlySpan<T> y = f.Y, dy = f.DY;
        Span<T> dx = f.DX(0);
        for (int i = 0; i < dx.Length; i++)
            dx[i] = y[i] <= T.Zero ? T.Zero : dy[i];
    }
}
