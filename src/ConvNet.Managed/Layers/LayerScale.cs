using System.Numerics;

namespace ConvNet;

/// <summary>Multiplies each channel by a learned scale that starts near 0: y = γ·x.</summary>
/// <remarks>
/// x, y: N×C×H×W; γ: C×1×1. Backward: dx = γ·dy, and dγ is the sum of x·dy over samples and positions.
/// Source: Touvron et al., ICCV 2021.
/// </remarks>
public sealed record LayerScale : SumLayer
{
    private const float Usual = 1e-6f;

    private static readonly AttributeDeclaration<float> s_initial = AttributeDeclaration.Number<LayerScale>("initial",
        layer => layer.Initial, NumberInterval.Finite, Usual);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("layerscale", "learned scale of each channel", [s_initial],
        values => new LayerScale(values.Get(s_initial)))
    {
        Examples =
        [
            new("layer scale", new LayerScale(), 3, new Shape(17, 3, 5)),
            new("layer scale of a vector", new LayerScale(0.1f), 4, Shape.Vector(33)),
        ],
        Random = [draw => new("layer scale", new LayerScale(), draw.Batch(), draw.Shape())],
        LongSums = [LargeMap],
        Fitting = (_, _, _) => new LayerScale(),
    };

    /// <summary>Creates a layer scale.</summary>
    /// <param name="initial">The initial value of γ; finite.</param>
    /// <exception cref="ArgumentOutOfRangeException">The initial value is not finite.</exception>
    public LayerScale(float initial = Usual)
    {
        Initial = s_initial.Check(Kind, initial);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>The initial value of γ.</summary>
    public float Initial { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs) =>
    [
        new("layer_scale", ParameterRole.Scale, [inputs[0].C, 1, 1]) { Initial = InitialValue.Constant(Initial) },
    ];

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs) => (long)batch * inputs[0].Area;

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f) => Apply(f, f.X(0), f.Y);

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        if (f.WantsDX(0))
            Apply(f, f.DY, f.DX(0));
        if (!f.WantsDW(0))
            return;
        (int channels, int area) = (f.YShape.C, f.YShape.Area);
        f.For(channels, c =>
        {
            Span<TSum> sum = f.DW(0).Slice(c, 1);
            var blocks = new BlockedRows<T, TSum>(sum);
            for (int map = c; map < f.N * channels; map += channels)
            {
                blocks.Next();
                sum[0] += Rows.Dot<T, TSum>(f.X(0).Slice(map * area, area), f.DY.Slice(map * area, area));
            }
            blocks.Complete();
        });
    }

    private static void Apply<T, TSum>(Frame<T, TSum> f, ReadOnlySpan<T> from, Span<TSum> to)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        ReadOnlySpan<T> scale = f.W(0);
        (int channels, int area) = (f.YShape.C, f.YShape.Area);
        for (int i = 0; i < to.Length; i++)
            to[i] = default(TSum) + from[i] * scale[i / area % channels];
    }

    private static LayerExample LargeMap(RandomDraw draw)
    {
        (int n, Extent map) = draw.Spread(draw.ManyTerms());
        return new("layer scale", new LayerScale(), n, new Shape(draw.Between(1, 3), map.H, map.W));
    }
}
