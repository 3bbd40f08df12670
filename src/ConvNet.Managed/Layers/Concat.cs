namespace ConvNet;

/// <summary>Concatenates inputs of the same spatial size along the channel dimension: y = [x₀, x₁, …].</summary>
/// <remarks>
/// xᵢ: N×Cᵢ×H×W, y: N×ΣCᵢ×H×W. A vector counts as a 1×1 map. Backward: every dxᵢ is its slice of dy. Both passes only
/// copy values.
/// </remarks>
public sealed record Concat : Layer
{
    private const int MostInCase = 4;

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("concat", "concatenation along the channels", [],
        _ => new Concat())
    {
        Inputs = 2,
        Examples =
        [
            new("concat", new Concat(), 2, new Shape(3, 5, 7), new Shape(17, 5, 7)),
            new("concat of blocks", new Concat(), 3, new Shape(16, 4, 3), new Shape(32, 4, 3), new Shape(5, 4, 3)),
            new("concat of vectors", new Concat(), 5, Shape.Vector(10), Shape.Vector(1), Shape.Vector(33)),
            new("concat of one", new Concat(), 1, new Shape(1, 1, 1)),
        ],
        Random = [Random],
    };

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        if (inputs.IsEmpty)
            throw new ArgumentException("concat needs at least one input, but has none.");
        long channels = 0;
        foreach (Shape shape in inputs)
        {
            if ((shape.H, shape.W) != (inputs[0].H, inputs[0].W))
            {
                throw ArgumentErrors.WithAdvice(
                    $"concat needs inputs with the same rows and columns, but has {inputs[0]} and {shape}.",
                    "Use other strides or paddings, or a pooling layer.");
            }
            channels += shape.C;
        }
        return channels <= int.MaxValue
            ? new Shape((int)channels, inputs[0].H, inputs[0].W)
            : throw new ArgumentException($"concat of {channels:N0} channels is too large: the limit is "
                + $"{int.MaxValue:N0}.");
    }

    /// <inheritdoc/>
    public override Accuracy Accuracy => Accuracy.Moves;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs)
    {
        var channels = new List<int>();
        foreach (Shape shape in inputs)
            channels.Add(shape.C);
        return $"{string.Join(" + ", channels)} = {channels.Sum()} channels";
    }

    /// <inheritdoc/>
    public override void Forward<T>(in Frame<T> f)
    {
        int start = 0;
        for (int i = 0; i < f.InputCount; i++)
        {
            int length = f.XShape(i).Length;
            for (int n = 0; n < f.N; n++)
                f.X(i).Slice(n * length, length).CopyTo(f.Y[(n * f.YShape.Length + start)..]);
            start += length;
        }
    }

    /// <inheritdoc/>
    public override void Backward<T>(in Frame<T> f)
    {
        int start = 0;
        for (int i = 0; i < f.InputCount; i++)
        {
            int length = f.XShape(i).Length;
            for (int n = 0; f.WantsDX(i) && n < f.N; n++)
                f.DY.Slice(n * f.YShape.Length + start, length).CopyTo(f.DX(i)[(n * length)..]);
            start += length;
        }
    }

    private static LayerExample Random(RandomDraw draw)
    {
        Shape map = draw.Shape();
        return new("concat", new Concat(), draw.Batch(),
            [.. Enumerable.Range(0, draw.Between(2, MostInCase))
                .Select(_ => new Shape(draw.Channels(), map.H, map.W))]);
    }
}
