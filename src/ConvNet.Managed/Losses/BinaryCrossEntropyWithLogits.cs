using System.Numerics;

namespace ConvNet;

/// <summary>Binary cross-entropy of logits over all values of the output: mean of
/// −(w_c·t·log σ(y) + (1 − t)·log(1 − σ(y))), with a weight w_c for the positive targets of each channel c.</summary>
/// <remarks>
/// For several labels for each sample, or a single yes or no. Computed as (1 − t)·s(y) + w_c·t·s(−y) with the softplus
/// s(y) = max(y, 0) + log(1 + e^(−|y|)), which does not overflow. Gradient:
/// w_n·((1 − t)·σ(y) − w_c·t·σ(−y)) / (Σ w · C·H·W). Targets: N×C×H×W values, usually from 0 to 1. Sample weights weigh
/// the mean of each sample. It is torch's <c>BCEWithLogitsLoss</c>, whose <c>pos_weight</c> has here one value for each
/// channel, also of maps.
/// </remarks>
/// <param name="PositiveWeights">w_c, one weight for each channel; empty if all are 1.</param>
public sealed record BinaryCrossEntropyWithLogits(ClassWeights PositiveWeights = default) : ElementwiseLoss
{
    private static readonly AttributeDeclaration<ClassWeights> s_positiveWeights
        = AttributeDeclaration.Weights<BinaryCrossEntropyWithLogits>("positiveWeights", loss => loss.PositiveWeights);

    private static readonly AttributeDeclaration<Reduction> s_reduction = ReductionOf<BinaryCrossEntropyWithLogits>();

    /// <summary>The declaration by which files and commands identify the loss.</summary>
    public static Declaration<Loss> Declared { get; } = new("bcewithlogits", "binary cross-entropy of logits",
        [s_positiveWeights, s_reduction],
        values => new BinaryCrossEntropyWithLogits(values.Get(s_positiveWeights))
        { Reduction = values.Get(s_reduction) });

    /// <inheritdoc/>
    public override Declaration<Loss> Declaration => Declared;

    /// <inheritdoc/>
    public override NumberInterval TargetRange => new(0, 1, HasLeast: true, HasMost: true);

    internal override bool IsForMaps => !PositiveWeights.IsEmpty;

    /// <inheritdoc/>
    public override void CheckOutput(Node output)
    {
        base.CheckOutput(output);
        PositiveWeights.CheckFor(output.Name, output.Shape.C, nameof(BinaryCrossEntropyWithLogits),
            "positive weights");
    }

    internal override Loss ForClasses(int classes)
        => this with { PositiveWeights = PositiveWeights.ForClasses(classes) };

    private protected override void Evaluate<T>(Shape output, ReadOnlySpan<T> y, ReadOnlySpan<float> t, Span<T> losses,
        Span<T> slopes)
    {
        for (int i = 0; i < y.Length; i++)
        {
            T target = T.CreateChecked(t[i]), negative = T.One - target,
                positive = T.CreateChecked(Positive(i / output.Area)) * target;
            // e^(−|y|) ≤ 1; σ of the sign of y is 1/(1 + e), that of the other sign e/(1 + e).
            T e = T.Exp(-T.Abs(y[i])), log = T.LogP1(e), own = T.One / (T.One + e), other = e / (T.One + e);
            bool isNegative = y[i] < T.Zero;
            T ofPositive = (isNegative ? T.Zero : y[i]) + log, ofNegative = (isNegative ? -y[i] : T.Zero) + log;
            losses[i] = Term(negative, ofPositive) + Term(positive, ofNegative);
            slopes[i] = negative * (isNegative ? other : own) - positive * (isNegative ? own : other);
        }
    }

    // Torch computes (1 − t)·y + v·s(−y) with v = (w − 1)·t + 1, whose parts may cancel, and accordingly the gradient
    // as (1 − t) − v·σ(−y), or v·σ(y) − w·t. Each of their factors is rounded a few times; v twice.
    private protected override (double Loss, double Slope) Errors(double y, double t, int channel, double loss,
        double slope)
    {
        double negative = Math.Abs(1 - t), weight = 1 + Math.Abs(Positive(channel) - 1) * Math.Abs(t),
            ofNegative = Math.Max(-y, 0) + double.LogP1(Math.Exp(-Math.Abs(y))),
            sigma = y < 0 ? 1 / (1 + Math.Exp(y)) : Math.Exp(-y) / (1 + Math.Exp(-y));
        return (4 * Math.Abs(loss) + 4 * negative * Math.Abs(y) + 8 * weight * (ofNegative + 1e-30),
            4 * (Math.Abs(slope) + negative + Positive(channel) * Math.Abs(t)) + 2 * weight
                + (8 + Math.Abs(y)) * weight * sigma);
    }

    private float Positive(int channel) => PositiveWeights.IsEmpty ? 1 : PositiveWeights[channel];

    // 0 times the infinite loss of an infinite logit is 0: it is certain, and right.
    private static T Term<T>(T factor, T loss) where T : unmanaged, IFloatingPointIeee754<T>
        => factor == T.Zero && !T.IsNaN(loss) ? T.Zero : factor * loss;
}
