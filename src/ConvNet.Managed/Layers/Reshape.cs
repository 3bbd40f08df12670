namespace ConvNet;

/// <summary>Gives the values of a sample another shape; their order, C, H, W, stays.</summary>
/// <remarks>x: N×C×H×W, y: N×C'×H'×W' with C'·H'·W' = C·H·W. Both passes only copy values.</remarks>
public sealed record Reshape : Layer
{
    private static readonly AttributeDeclaration<Shape> s_shape
        = AttributeDeclaration.Dimensions<Reshape>("shape", layer => layer.Shape);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("reshape", "gives maps another shape", [s_shape],
        values => new Reshape(values.Get(s_shape)))
    {
        Examples =
        [
            new("reshape", new Reshape(new Shape(5, 6, 2)), 2, new Shape(3, 4, 5)),
            new("reshape of a vector", new Reshape(new Shape(17, 1, 2)), 3, Shape.Vector(34)),
        ],
        Random = [draw => Random(draw, draw.Shape())],
        Fitting = (draw, _, x) => Random(draw, x).Layer,
    };

    /// <summary>Describes a reshape.</summary>
    /// <param name="shape">The shape of one sample of the output.</param>
    /// <exception cref="ArgumentOutOfRangeException">The shape has no values.</exception>
    public Reshape(Shape shape)
    {
        Shape = s_shape.Check(Kind, shape);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>The shape of one sample of the output.</summary>
    public Shape Shape { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        Shape x = Single(inputs);
        return x.Length == Shape.Length
            ? Shape
            : throw ArgumentErrors.WithAdvice(
                $"A {x} input of {x.Length:N0} values cannot have the shape {Shape}, which has {Shape.Length:N0}.",
                "Use a shape with as many values.");
    }

    /// <inheritdoc/>
    public override Accuracy Accuracy => Accuracy.Moves;

    /// <inheritdoc/>
    public override bool IsView => true;

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.None;

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs) => $"{inputs[0]} = {Shape}";

    /// <inheritdoc/>
    public override void Forward<T>(in Frame<T> f) => f.X(0).CopyTo(f.Y);

    /// <inheritdoc/>
    public override void Backward<T>(in Frame<T> f)
    {
        if (f.WantsDX(0))
            f.DY.CopyTo(f.DX(0));
    }

    private static LayerExample Random(RandomDraw draw, Shape x)
    {
        int channels = Divisor(x.Length), rows = Divisor(x.Length / channels);
        return new("reshape", new Reshape(new Shape(channels, rows, x.Length / channels / rows)), draw.Batch(), x);

        int Divisor(int length)
        {
            int divisor = draw.Between(1, Math.Min(length, 40));
            while (length % divisor != 0)
                divisor--;
            return divisor;
        }
    }
}
