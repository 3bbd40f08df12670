using System.Numerics;

namespace ConvNet;

/// <summary>Leaky rectified linear unit with learned slopes: y = x where x &gt; 0, else w·x.</summary>
/// <remarks>
/// x, y: N×C×H×W; w: C, or a single slope for all channels. Backward: dx = dy where x &gt; 0, else w·dy; dw is the sum
/// of x·dy over all values x ≤ 0 of its channel, or of all channels. The derivative at 0 is w, and a NaN stays a NaN.
/// Source: He et al., ICCV 2015.
/// </remarks>
public sealed record Prelu : SumLayer
{
    private const bool UsualPerChannel = true;
    private const float UsualInitial = 0.25f;

    private static readonly AttributeDeclaration<bool> s_perChannel = AttributeDeclaration.Flag<Prelu>("perChannel",
        layer => layer.PerChannel, UsualPerChannel);

    private static readonly AttributeDeclaration<float> s_initial = AttributeDeclaration.Number<Prelu>("initial",
        layer => layer.Initial, NumberInterval.Finite, UsualInitial);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("prelu", "leaky ReLU with learned slopes",
        [s_perChannel, s_initial], values => new Prelu(values.Get(s_perChannel), values.Get(s_initial)))
    {
        Examples =
        [
            new("prelu", new Prelu(), 3, new Shape(17, 3, 5)),
            new("prelu of one slope", new Prelu(perChannel: false), 2, new Shape(3, 7, 5)),
            new("prelu of a vector", new Prelu(), 4, Shape.Vector(33)),
        ],
        Random = [draw => new("prelu", new Prelu(draw.OneIn(2)), draw.Batch(), draw.Shape())],
        LongSums = [LargeMap],
        Fitting = (draw, _, _) => new Prelu(draw.OneIn(2)),
    };

    /// <summary>Creates a PReLU layer.</summary>
    /// <param name="perChannel">Whether each channel has a slope of its own.</param>
    /// <param name="initial">The initial slope; finite.</param>
    /// <exception cref="ArgumentOutOfRangeException">The initial slope is not finite.</exception>
    public Prelu(bool perChannel = UsualPerChannel, float initial = UsualInitial)
    {
        (PerChannel, Initial) = (perChannel, s_initial.Check(Kind, initial));
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>Whether each channel has a slope of its own.</summary>
    public bool PerChannel { get; }

    /// <summary>The initial slope.</summary>
    public float Initial { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs) =>
    [
        new("weight", ParameterRole.Weight, [PerChannel ? inputs[0].C : 1])
        {
            Initial = InitialValue.Constant(Initial),
        },
    ];

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs)
        => (long)batch * (PerChannel ? inputs[0].Area : inputs[0].Length);

    /// <inheritdoc/>
    public override IEnumerable<Kink> Kinks(IReadOnlyList<double[]> x, params IReadOnlyList<Shape> inputs)
        => x[0].Select(value => new Kink(Math.Abs(value)));

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f) => Apply(f, f.X(0), f.Y);

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        if (f.WantsDX(0))
            Apply(f, f.DY, f.DX(0));
        if (!f.WantsDW(0))
            return;
        (int channels, int area, int slopes) = (f.YShape.C, f.YShape.Area, f.W(0).Length);
        f.For(slopes, slope =>
        {
            Span<TSum> sum = f.DW(0).Slice(slope, 1);
            var blocks = new BlockedRows<T, TSum>(sum);
            T[] below = new T[area], gradient = new T[area];
            for (int map = slope; map < f.N * channels; map += PerChannel ? channels : 1)
            {
                ReadOnlySpan<T> x = f.X(0).Slice(map * area, area), dy = f.DY.Slice(map * area, area);
                for (int i = 0; i < area; i++)
                    (below[i], gradient[i]) = x[i] > T.Zero ? (T.Zero, T.Zero) : (x[i], dy[i]);
                blocks.Next();
                sum[0] += Rows.Dot<T, TSum>(below, gradient);
            }
            blocks.Complete();
        });
    }

    // Multiplies by the slope where x ≤ 0.
    private void Apply<T, TSum>(Frame<T, TSum> f, ReadOnlySpan<T> from, Span<TSum> to)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        ReadOnlySpan<T> x = f.X(0), w = f.W(0);
        (int channels, int area) = (f.YShape.C, f.YShape.Area);
        for (int i = 0; i < to.Length; i++)
            to[i] = x[i] > T.Zero ? TSum.Of(from[i])
                : default(TSum) + from[i] * w[PerChannel ? i / area % channels : 0];
    }

    private static LayerExample LargeMap(RandomDraw draw)
    {
        (int n, Extent map) = draw.Spread(draw.ManyTerms());
        return new("prelu", new Prelu(draw.OneIn(2)), n, new Shape(draw.Between(1, 3), map.H, map.W));
    }
}
