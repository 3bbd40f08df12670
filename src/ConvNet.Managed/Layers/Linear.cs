using System.Numerics;

namespace ConvNet;

/// <summary>Fully connected layer: y[n,o] = b[o] + Σ_i w[o,i]·x[n,i].</summary>
/// <remarks>
/// x: N×I, w: O×I, b: O, y: N×O.
/// Backward: dx[n,i] = Σ_o w[o,i]·dy[n,o]; dw[o,i] = Σ_n dy[n,o]·x[n,i]; db[o] = Σ_n dy[n,o].
/// </remarks>
public sealed record Linear : SumLayer
{
    private const bool UsualBias = true;

    private static readonly AttributeDeclaration<int> s_outFeatures
        = AttributeDeclaration.Integer<Linear>("outFeatures", layer => layer.OutFeatures,
            role: AttributeRole.Channels, formerName: "units");

    private static readonly AttributeDeclaration<bool> s_bias
        = AttributeDeclaration.Flag<Linear>("bias", layer => layer.Bias, UsualBias);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("linear", "fully connected layer of a vector",
        [s_outFeatures, s_bias], values => new Linear(values.Get(s_outFeatures), values.Get(s_bias)))
    {
        FormerKinds = ["dense"],
        Examples = [new("linear", new Linear(10), 3, Shape.Vector(17))],
        Random = [Random, Random],
        LongSums = [Wide, ManyFeatures, LargeBatch],
        Fitting = (draw, _, x) => x.IsVector ? new Linear(draw.Of(3, 16, 19), draw.OneIn(2)) : null,
    };

    /// <summary>Creates a fully connected layer.</summary>
    /// <param name="outFeatures">O, the number of output features.</param>
    /// <param name="bias">Whether a bias is added.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of output features is less than 1.</exception>
    public Linear(int outFeatures, bool bias = UsualBias)
    {
        (OutFeatures, Bias) = (s_outFeatures.Check(Kind, outFeatures), bias);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>O, the number of output features.</summary>
    public int OutFeatures { get; }

    /// <summary>Whether a bias is added.</summary>
    public bool Bias { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs).IsVector
        ? Shape.Vector(OutFeatures)
        : throw new ArgumentException($"linear needs a vector, but its input is {inputs[0]}. Put a Flatten before it.");

    /// <inheritdoc/>
    public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs)
    {
        int features = inputs[0].C;
        var weight = new ParameterSpec("weight", ParameterRole.Weight, [OutFeatures, features], features, OutFeatures);
        return Bias
            ? [weight, new ParameterSpec("bias", ParameterRole.Bias, [OutFeatures], features, OutFeatures)]
            : [weight];
    }

    /// <inheritdoc/>
    public override bool IsBilinear => true;

    /// <inheritdoc/>
    public override bool ReadsAllFeatures => true;

    /// <inheritdoc/>
    public override long LongestSum(int batch, params ReadOnlySpan<Shape> inputs)
        => Math.Max(Math.Max(inputs[0].C, OutFeatures), batch);

    /// <inheritdoc/>
    public override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public override long MultiplyAdds(params ReadOnlySpan<Shape> inputs) => (long)OutFeatures * inputs[0].C;

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs) => $"{OutFeatures} features";

    /// <inheritdoc/>
    public override void Forward<T, TSum>(Frame<T, TSum> f)
    {
        int features = f.XShape(0).C;
        f.For(f.N, n =>
        {
            ReadOnlySpan<T> x = f.X(0).Slice(n * features, features), w = f.W(0);
            Span<TSum> y = f.Y.Slice(n * OutFeatures, OutFeatures);
            for (int o = 0; o < OutFeatures; o++)
            {
                TSum dot = Rows.Dot<T, TSum>(w.Slice(o * features, features), x);
                y[o] = Bias ? dot + f.W(1)[o] : dot;
            }
        });
    }

    /// <inheritdoc/>
    public override void Backward<T, TSum>(Frame<T, TSum> f)
    {
        int features = f.XShape(0).C;
        if (f.WantsDX(0))
        {
            f.For(f.N, n
                => Combine(f.DX(0).Slice(n * features, features), f.W(0), features,
                    f.DY.Slice(n * OutFeatures, OutFeatures), 1));
        }
        bool weights = f.WantsDW(0), bias = Bias && f.WantsDW(1);
        if (!weights && !bias)
            return;
        f.For(OutFeatures, o =>
        {
            ReadOnlySpan<T> dy = f.DY[o..];
            if (weights)
                Combine(f.DW(0).Slice(o * features, features), f.X(0), features, dy, OutFeatures);
            if (bias)
                f.DW(1)[o] = Rows.Sum<T, TSum>(dy, f.N, OutFeatures);
        });
    }

    /// <summary>Computes sum = Σ_k factors[k·stride]·rows[k].</summary>
    private static void Combine<T, TSum>(Span<TSum> sum, ReadOnlySpan<T> rows, int length, ReadOnlySpan<T> factors,
        int stride)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TSum : unmanaged, ISum<T, TSum>
    {
        var blocks = new BlockedRows<T, TSum>(sum);
        for (int k = 0; k < rows.Length / length; k++)
        {
            blocks.Next();
            Rows.AddScaled(sum, rows.Slice(k * length, length), factors[k * stride]);
        }
        blocks.Complete();
    }

    private static LayerExample Random(RandomDraw draw)
    {
        int features = draw.OneIn(4) ? draw.Between(100, 500) : draw.Channels();
        int units = draw.OneIn(4) ? draw.Between(100, 260) : draw.Channels();
        int most = Math.Max(1, RandomDraw.MostWork / (features * units));
        int n = Math.Min(draw.OneIn(4) ? draw.Between(9, 70) : draw.Batch(), most);
        return new("linear", new Linear(units, bias: !draw.OneIn(4)), n, Shape.Vector(features));
    }

    private static LayerExample Wide(RandomDraw draw) => new("linear", new Linear(draw.Between(1, 5), draw.OneIn(2)),
        draw.Between(1, 5), Shape.Vector(draw.ManyTerms()));

    private static LayerExample ManyFeatures(RandomDraw draw) => new("linear",
        new Linear(draw.ManyTerms(), draw.OneIn(2)), draw.Between(1, 5), Shape.Vector(draw.Between(1, 5)));

    private static LayerExample LargeBatch(RandomDraw draw) => new("linear",
        new Linear(draw.Between(1, 3), draw.OneIn(2)), draw.ManyTerms(), Shape.Vector(draw.Between(1, 3)));
}
