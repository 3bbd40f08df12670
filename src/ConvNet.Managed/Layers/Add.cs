namespace ConvNet;

/// <summary>Elementwise sum of two or more inputs of the same shape: y = x₀ + x₁ + …, from left to right.</summary>
/// <remarks>Backward: every dx equals dy. Source: the shortcut of He et al., CVPR 2016.</remarks>
public sealed record Add : SumLayer
{
    private const int MostInCase = 4;

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("add", "sum of two or more inputs", [], _ => new Add())
    {
        Inputs = 2,
        Examples = [new("add", new Add(), 2, new Shape(3, 5, 7), new Shape(3, 5, 7))],
        Random = [Random],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        if (inputs.Length < 2)
            throw new ArgumentException($"add needs at least two inputs, but has {inputs.Length}.");
        foreach (Shape shape in inputs)
        {
            if (shape != inputs[0])
            {
                throw ArgumentErrors.WithAdvice(
                    $"add needs inputs of the same shape, but has {inputs[0]} and {shape}.", Advice(inputs[0], shape));
            }
        }
        return inputs[0];
    }

    // Suggests a convolution that gives the larger input the shape of the smaller.
    private static string Advice(Shape a, Shape b)
    {
        (Shape large, Shape small) = a.H >= b.H && a.W >= b.W ? (a, b) : (b, a);
        if (large.H < small.H || large.W < small.W)
            return "Neither has both more rows and more columns: use strides or paddings that make both shapes equal.";
        Extent stride = ((large.H - 1) / small.H + 1, (large.W - 1) / small.W + 1);
        Extent whole = (large.H - small.H + 1, large.W - small.W + 1);
        Window strided = new(1, stride, 0, 1, Rounding.Floor), dense = new(whole, 1, 0, 1);
        bool strides = strided.IsInRange && strided.Output(large, small.C, pools: false) == small;
        if (!strides && (!dense.IsInRange || (double)whole.H * whole.W * small.C * large.C > int.MaxValue))
            return "Give both the same number of channels, rows and columns.";
        string settings = stride == 1 ? "" : strides ? $", stride {stride} and rounding floor" : "";
        Extent kernel = strides ? 1 : whole;
        return $"A {kernel} convolution with {small.C} filters{settings} gives the {large} the shape of the other.";
    }

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => inputs.Length;

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

    private static LayerExample Random(RandomDraw draw)
    {
        Shape shape = draw.Shape();
        return new("add", new Add(), draw.Batch(), [.. Enumerable.Repeat(shape, draw.Between(2, MostInCase))]);
    }
}
