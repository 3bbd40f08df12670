namespace ConvNet;

/// <summary>Moves channels into pixels: y[n,c,h·r+i,w·r+j] = x[n,c·r²+i·r+j,h,w].</summary>
/// <remarks>x: N×(C·r²)×H×W, y: N×C×(H·r)×(W·r). Backward: the inverse. Both passes only copy values. The semantics are
/// those of torch, and of DepthToSpace with mode CRD in ONNX. Source: Shi et al., CVPR 2016.</remarks>
public sealed record PixelShuffle : Rearrangement
{
    private static readonly AttributeDeclaration<int> s_factor
        = AttributeDeclaration.Integer<PixelShuffle>("factor", layer => layer.Factor);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("pixelshuffle", "channels to pixels", [s_factor],
        values => new PixelShuffle(values.Get(s_factor)))
    {
        Examples =
        [
            new("pixel shuffle", new PixelShuffle(2), 2, new Shape(20, 3, 4)),
            new("pixel shuffle by 3", new PixelShuffle(3), 1, new Shape(9, 2, 5)),
            new("pixel shuffle to many channels", new PixelShuffle(2), 1, new Shape(68, 1, 2)),
        ],
        Random = [Random],
        Fitting = (_, _, x) => x.C % 4 == 0 ? new PixelShuffle(2) : new PixelShuffle(1),
    };

    /// <summary>Describes a pixel shuffle.</summary>
    /// <param name="factor">r, the factor of rows and columns.</param>
    /// <exception cref="ArgumentOutOfRangeException">The factor is less than 1.</exception>
    public PixelShuffle(int factor)
    {
        Factor = s_factor.Check(Kind, factor);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>r, the factor of rows and columns.</summary>
    public int Factor { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        Shape x = Single(inputs);
        long area = (long)Factor * Factor;
        return x.C % area == 0
            ? new Shape((int)(x.C / area), x.H * Factor, x.W * Factor)
            : throw ArgumentErrors.WithAdvice($"{x.C} channels are not divisible by {Factor}·{Factor} = {area}.",
                $"Use a multiple of {area} channels.");
    }

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs)
        => $"{inputs[0].C} / {Factor}² channels, {inputs[0].H}·{Factor} × {inputs[0].W}·{Factor}";

    internal override Reordering Dimensions(Shape x)
        => new([x.C / (Factor * Factor), Factor, Factor, x.H, x.W], 0, 3, 1, 4, 2);

    private static LayerExample Random(RandomDraw draw)
    {
        int factor = draw.Between(1, 4);
        return new("pixelshuffle", new PixelShuffle(factor), draw.Batch(),
            new Shape(factor * factor * draw.Of(1, 2, 3, 5, 17), draw.Between(1, 6), draw.Between(1, 6)));
    }
}
