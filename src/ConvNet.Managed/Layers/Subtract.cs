namespace ConvNet;

/// <summary>Elementwise difference of two inputs of the same shape: y = x₀ − x₁.</summary>
/// <remarks>Backward: dx₀ = dy and dx₁ = −dy.</remarks>
public sealed record Subtract : SumLayer
{
    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("sub", "difference of two inputs", [], _ => new Subtract())
    {
        Inputs = 2,
        Examples =
        [
            new("sub", new Subtract(), 2, new Shape(3, 5, 7), new Shape(3, 5, 7)),
            new("sub of vectors", new Subtract(), 3, Shape.Vector(17), Shape.Vector(17)),
        ],
        Random = [Random],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        if (inputs.Length != 2)
            throw new ArgumentException($"sub needs two inputs, but has {inputs.Length}.");
        return inputs[0] == inputs[1] ? inputs[0] : throw new ArgumentException($"sub needs inputs of the same shape, "
            + $"but has {inputs[0]} and {inputs[1]}. Give both the same number of channels, rows and columns.");
    }

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => 2;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        Span<TSum> y = f.Y;
        ReadOnlySpan<T> first = f.X(0), second = f.X(1);
        for (int i = 0; i < y.Length; i++)
            y[i] = TSum.Of(first[i]) + -second[i];
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        ReadOnlySpan<T> dy = f.DY;
        for (int k = 0; k < 2; k++)
        {
            if (!f.WantsDX(k))
                continue;
            Span<TSum> dx = f.DX(k);
            for (int i = 0; i < dx.Length; i++)
                dx[i] = TSum.Of(k == 0 ? dy[i] : -dy[i]);
        }
    }

    private static LayerExample Random(RandomDraw draw)
    {
        Shape shape = draw.Shape();
        return new("sub", new Subtract(), draw.Batch(), shape, shape);
    }
}
