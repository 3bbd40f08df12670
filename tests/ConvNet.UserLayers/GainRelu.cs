namespace ConvNet.UserLayers;

/// <summary>A layer outside the library: y = gain·x where x is above zero, else w·x with a learned slope w.</summary>
/// <remarks>One slope for all channels, or one per channel. Source: He et al., ICCV 2015.</remarks>
public sealed record GainRelu : SumLayer
{
    private const float UsualGain = 1;
    private const bool UsualSharing = false;

    private static readonly AttributeDeclaration<float> s_gain = AttributeDeclaration.Number<GainRelu>("gain",
        layer => layer.Gain, new NumberInterval(0, 4, HasLeast: false, HasMost: true), UsualGain);

    private static readonly AttributeDeclaration<bool> s_shared
        = AttributeDeclaration.Flag<GainRelu>("shared", layer => layer.Shared, UsualSharing, simplest: true);

    /// <summary>The layer as files and checks know it.</summary>
    public static LayerDeclaration Declared { get; } = new("gainrelu", "ReLU with a learned slope", [s_gain, s_shared],
        values => new GainRelu(values.Get(s_gain), values.Get(s_shared)))
    {
        Examples = [new("gainrelu", new GainRelu(), 3, new Shape(17, 5, 3))],
    };

    /// <summary>Describes the layer.</summary>
    /// <param name="gain">The slope above zero.</param>
    /// <param name="shared">Whether all channels share a slope below zero.</param>
    public GainRelu(float gain = UsualGain, bool shared = UsualSharing)
    {
        (Gain, Shared) = (s_gain.Check(Kind, gain), shared);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>The slope above zero.</summary>
    public float Gain { get; }

    /// <summary>Whether all channels share a slope below zero.</summary>
    public bool Shared { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs)
        => [new("weight", ParameterRole.Weight, [Shared ? 1 : inputs[0].C]) { Initial = InitialValue.Constant(0.25f) }];

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public override IEnumerable<Kink> Kinks(IReadOnlyList<double[]> x, params IReadOnlyList<Shape> inputs)
        => x[0].Select(value => new Kink(Math.Abs(value)));

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        T gain = T.CreateChecked(Gain);
        ReadOnlySpan<T> x = f.X(0);
        for (int i = 0; i < x.Length; i++)
        {
            TSum y = default;
            f.Y[i] = y + x[i] * (x[i] > T.Zero ? gain : f.W(0)[SlopeOf(f.YShape, i)]);
        }
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        T gain = T.CreateChecked(Gain);
        ReadOnlySpan<T> x = f.X(0), dy = f.DY;
        if (f.WantsDW(0))
            f.DW(0).Clear();
        for (int i = 0; i < x.Length; i++)
        {
            int slope = SlopeOf(f.YShape, i);
            if (f.WantsDX(0))
            {
                TSum dx = default;
                f.DX(0)[i] = dx + dy[i] * (x[i] > T.Zero ? gain : f.W(0)[slope]);
            }
            if (f.WantsDW(0) && x[i] <= T.Zero)
                f.DW(0)[slope] += dy[i] * x[i];
        }
    }

    private int SlopeOf(Shape shape, int i) => Shared ? 0 : i / shape.Area % shape.C;
}
