namespace ConvNet;

/// <summary>Moves pixels into channels: y[n,c·r²+i·r+j,h,w] = x[n,c,h·r+i,w·r+j].</summary>
/// <remarks>x: N×C×(H·r)×(W·r), y: N×(C·r²)×H×W. Backward: the inverse, <see cref="PixelShuffle"/>. Both passes only
/// copy values. The semantics are those of torch.</remarks>
public sealed record PixelUnshuffle : Rearrangement
{
    private static readonly AttributeDeclaration<int> s_factor
        = AttributeDeclaration.Integer<PixelUnshuffle>("factor", layer => layer.Factor);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("pixelunshuffle", "pixels to channels", [s_factor],
        values => new PixelUnshuffle(values.Get(s_factor)))
    {
        Examples =
        [
            new("pixel unshuffle", new PixelUnshuffle(2), 2, new Shape(5, 6, 4)),
            new("pixel unshuffle by 3", new PixelUnshuffle(3), 1, new Shape(3, 3, 6)),
            new("pixel unshuffle of many channels", new PixelUnshuffle(2), 1, new Shape(17, 2, 4)),
        ],
        Random = [Random],
        Fitting = (_, _, x) => new PixelUnshuffle(x.H % 2 == 0 && x.W % 2 == 0 ? 2 : 1),
    };

    /// <summary>Describes a pixel unshuffle.</summary>
    /// <param name="factor">r, the divisor of rows and columns.</param>
    /// <exception cref="ArgumentOutOfRangeException">The factor is less than 1.</exception>
    public PixelUnshuffle(int factor)
    {
        Factor = s_factor.Check(Kind, factor);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>r, the divisor of rows and columns.</summary>
    public int Factor { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        Shape x = Single(inputs);
        return x.H % Factor == 0 && x.W % Factor == 0
            ? new Shape(x.C * Factor * Factor, x.H / Factor, x.W / Factor)
            : throw ArgumentErrors.WithAdvice(
                $"{x.H} rows and {x.W} columns are not both divisible by {Factor}.",
                $"Pad them to multiples, or use a divisor of {Common(x.H, x.W)}.");
    }

    /// <summary>The values that one output channel is taken from are r rows and columns apart.</summary>
    public override Window? Sees(params ReadOnlySpan<Shape> inputs) => new Window(Factor, Factor, 0, 1);

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs)
        => $"{inputs[0].C}·{Factor}² channels, {inputs[0].H} / {Factor} × {inputs[0].W} / {Factor}";

    internal override Reordering Dimensions(Shape x)
        => new([x.C, x.H / Factor, Factor, x.W / Factor, Factor], 0, 2, 4, 1, 3);

    private static int Common(int a, int b) => b == 0 ? a : Common(b, a % b);

    private static LayerExample Random(RandomDraw draw)
    {
        int factor = draw.Between(1, 4);
        return new("pixelunshuffle", new PixelUnshuffle(factor), draw.Batch(),
            new Shape(draw.Of(1, 2, 3, 5, 17), factor * draw.Between(1, 4), factor * draw.Between(1, 4)));
    }
}
