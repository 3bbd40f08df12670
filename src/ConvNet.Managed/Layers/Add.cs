namespace ConvNet;

/// <summary>Sum of two or more inputs of one shape, elementwise: y = x₀ + x₁ + …, left to right.</summary>
/// <remarks>Backward: every dx is dy. Source: the shortcut of He et al., CVPR 2016.</remarks>
public sealed record Add : SumLayer
{
    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        if (inputs.Length < 2)
            throw new ArgumentException($"add reads two nodes or more; {inputs.Length} were given.");
        foreach (Shape shape in inputs)
        {
            if (shape != inputs[0])
                throw new ArgumentException($"add needs inputs of one shape; {inputs[0]} and {shape} were given. A 1×1 convolution brings one to the other's shape.");
        }
        return inputs[0];
    }

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        Span<TSum> y = f.Y;
        ReadOnlySpan<T> first = f.X(0), second = f.X(1);
        for (int i = 0; i < y.Length; i++)
            y[i] = TSum.Of(first[i]) + second[i];
        for (int k = 2; k < f.InputCount; k++)
            Rows.AddScaled(y, f.X(k), T.One);
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        ReadOnlySpan<T> dy = f.DY;
        for (int k = 0; k < f.InputCount; k++)
        {
            if (!f.WantsDX(k))
                continue;
            Span<TSum> dx = f.DX(k);
            for (int i = 0; i < dx.Length; i++)
                dx[i] = TSum.Of(dy[i]);
        }
    }
}
