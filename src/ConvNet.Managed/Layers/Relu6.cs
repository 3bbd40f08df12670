namespace ConvNet;

/// <summary>Rectified linear unit with an upper limit of 6, elementwise: y = min(max(x, 0), 6).</summary>
/// <remarks>
/// Backward: dx = dy where 0 &lt; y &lt; 6, else 0. The derivative at 0 and at 6 is 0, and a NaN stays a NaN.
/// y and dx have the shape of x. Source: Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.
/// </remarks>
public sealed record Relu6 : FusableActivation
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("relu6", "y = min(max(x, 0), 6)", [], _ => new Relu6())
    {
        Examples = [new("relu6", new Relu6(), 3, new Shape(3, 5, 7))],
        Random = [draw => new("relu6", new Relu6(), draw.Batch(), draw.Shape())],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    protected override IReadOnlyList<double> KinkPositions => [0, 6];

    /// <inheritdoc/>
    public override void Forward<T>(in Frame<T> f)
    {
        ReadOnlySpan<T> x = f.X(0);
        Span<T> y = f.Y;
        T six = T.CreateChecked(6);
        for (int i = 0; i < y.Length; i++)
            y[i] = x[i] <= T.Zero ? T.Zero : x[i] >= six ? six : x[i];
    }

    /// <inheritdoc/>
    public override void Backward<T>(in Frame<T> f)
    {
        if (!f.WantsDX(0))
            return;
        ReadOnlySpan<T> y = f.Y, dy = f.DY;
        Span<T> dx = f.DX(0);
        T six = T.CreateChecked(6);
        for (int i = 0; i < dx.Length; i++)
            dx[i] = y[i] <= T.Zero || y[i] >= six ? T.Zero : dy[i];
    }
}
