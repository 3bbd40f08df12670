using System.Numerics;

namespace ConvNet;

/// <summary>Softmax cross-entropy: the mean over the batch of −log softmax(y)_t, with label smoothing, class weights,
/// an ignored class, soft targets, and all of these per pixel.</summary>
/// <remarks>
/// With the probabilities t of a sample (1 for its class and 0 for the others, or soft targets), the weights w_c of the
/// classes and the label smoothing ε, the loss of a sample is
/// Σ_c q_c·(−log softmax(y)_c), where q_c = w_c·((1 − ε)·t_c + ε/C); its gradient is (Σ q)·softmax(y)_j − q_j.
/// −log softmax(y)_c is computed as log Σ_j exp(y_j − m) − (y_c − m), where m is the largest score. Both are multiplied
/// by the weight of the sample and divided as torch does: by the sum of the weights w of the samples' classes, or with
/// soft targets by the number of samples. The outputs of a sample form one vector. Per pixel, the C values of each
/// pixel form a vector, and pixels are counted instead of samples.
/// <para>If no label counts because all are ignored or of classes of weight 0, the loss and its gradient are 0. Torch
/// returns NaN, for which <see cref="IExecutable.TrainStep"/> would refuse a batch that merely has nothing to
/// learn.</para>
/// Source of label smoothing: Szegedy et al., CVPR 2016.
/// </remarks>
/// <param name="PerPixel">Whether every pixel of the output has its own class, as in semantic
/// segmentation.</param>
/// <param name="LabelSmoothing">ε, from 0 to 1.</param>
/// <param name="ClassWeights">w, one weight for each class; empty if all are 1.</param>
/// <param name="IgnoreClass">The label of samples or pixels that do not count, torch's <c>ignore_index</c>. It need not
/// be a class of the output.</param>
/// <param name="SoftTargets">Whether the targets are N×C×H×W probabilities instead of labels, as of mixed
/// samples.</param>
/// <exception cref="ArgumentOutOfRangeException">The label smoothing is not from 0 to 1.</exception>
/// <exception cref="ArgumentException">An ignored class is given for soft targets.</exception>
public sealed record SoftmaxCrossEntropy(bool PerPixel = false, float LabelSmoothing = 0,
    ClassWeights ClassWeights = default, int IgnoreClass = SoftmaxCrossEntropy.UsualIgnoreClass,
    bool SoftTargets = false) : Loss
{
    private const int UsualIgnoreClass = -100;

    private const double U = BoundedSum.UnitRoundoff, SmallestNormal = 1.1754943508222875e-38,
        RoundingBelowNormal = float.Epsilon / 2.0;

    private static readonly AttributeDeclaration<bool> s_perPixel
        = AttributeDeclaration.Flag<SoftmaxCrossEntropy>("perPixel", loss => loss.PerPixel, false);

    private static readonly AttributeDeclaration<float> s_labelSmoothing
        = AttributeDeclaration.Number<SoftmaxCrossEntropy>("labelSmoothing", loss => loss.LabelSmoothing,
            new NumberInterval(0, 1, HasLeast: true, HasMost: true), 0f);

    private static readonly AttributeDeclaration<ClassWeights> s_classWeights
        = AttributeDeclaration.Weights<SoftmaxCrossEntropy>("classWeights", loss => loss.ClassWeights);

    private static readonly AttributeDeclaration<int> s_ignoreClass
        = AttributeDeclaration.Label<SoftmaxCrossEntropy>("ignoreClass", loss => loss.IgnoreClass, UsualIgnoreClass);

    private static readonly AttributeDeclaration<bool> s_softTargets
        = AttributeDeclaration.Flag<SoftmaxCrossEntropy>("softTargets", loss => loss.SoftTargets, false);

    private static readonly AttributeDeclaration<Reduction> s_reduction = ReductionOf<SoftmaxCrossEntropy>();

    /// <summary>The declaration by which files and commands identify the loss.</summary>
    public static Declaration<Loss> Declared { get; } = new("softmax", "cross-entropy",
        [s_perPixel, s_labelSmoothing, s_classWeights, s_ignoreClass, s_softTargets, s_reduction],
        values => new SoftmaxCrossEntropy(values.Get(s_perPixel), values.Get(s_labelSmoothing),
            values.Get(s_classWeights), values.Get(s_ignoreClass), values.Get(s_softTargets))
        { Reduction = values.Get(s_reduction) });

    /// <inheritdoc/>
    public override Declaration<Loss> Declaration => Declared;

    /// <summary>ε, from 0 to 1.</summary>
    public float LabelSmoothing { get; init; } = s_labelSmoothing.Check(Declared.Kind, LabelSmoothing);

    /// <summary>The label of samples or pixels that do not count.</summary>
    public int IgnoreClass { get; init; } = !SoftTargets || IgnoreClass == UsualIgnoreClass
        ? IgnoreClass
        : throw new ArgumentException("Soft targets have no labels, so no class can be ignored. Omit the ignored "
            + "class, or give samples the weight 0.", nameof(IgnoreClass));

    /// <inheritdoc/>
    public override TargetKind Takes => SoftTargets ? TargetKind.Values
        : PerPixel ? TargetKind.ClassesPerPixel : TargetKind.Classes;

    /// <inheritdoc/>
    public override int? IgnoredClass => SoftTargets ? null : IgnoreClass;

    /// <inheritdoc/>
    public override NumberInterval TargetRange => new(0, 1, HasLeast: true, HasMost: true);

    internal override bool IsForMaps => PerPixel;

    /// <inheritdoc/>
    public override void CheckOutput(Node output)
    {
        base.CheckOutput(output);
        if (SoftTargets && !PerPixel)
            CheckVector(output, "takes the probabilities of each sample", "For probabilities per pixel");
        ClassWeights.CheckFor(output.Name, output.Shape.C, nameof(SoftmaxCrossEntropy), "class weights");
    }

    internal override Loss ForClasses(int classes) => this with { ClassWeights = ClassWeights.ForClasses(classes) };

    /// <inheritdoc/>
    public override T Evaluate<T>(in LossFrame<T> f)
    {
        (int classes, int pixels) = (f.Output.C, f.Output.Area);
        BlockedSum<T> total = default;
        T share = f.Share(Reduction, Count(f)), ofAll = SumOfSmoothing<T>(classes);
        for (int n = 0; n < f.N; n++)
        {
            T weight = f.Weight(n);
            for (int pixel = 0; pixel < pixels; pixel++)
            {
                // The outputs of one pixel are one map apart in memory.
                int first = n * f.Output.Length + pixel;
                ReadOnlySpan<T> y = f.Y[first..];
                Span<T> dy = f.DY[first..];
                if (IsIgnored(f, n * pixels + pixel))
                {
                    for (int j = 0; j < classes; j++)
                        dy[j * pixels] = T.Zero;
                    continue;
                }
                T largest = y[0];
                BlockedSum<T> exponentials = default, coefficients = default, losses = default;
                for (int j = 1; j < classes; j++)
                    largest = y[j * pixels] > largest || T.IsNaN(y[j * pixels]) ? y[j * pixels] : largest;
                for (int j = 0; j < classes; j++)
                    exponentials.Add(dy[j * pixels] = T.Exp(y[j * pixels] - largest));
                T sum = exponentials.Value, log = T.Log(sum);
                for (int j = 0; j < classes; j++)
                {
                    T q = Coefficient(f, first, j);
                    if (q == T.Zero)
                        continue;
                    coefficients.Add(q);
                    losses.Add(q * (log - (y[j * pixels] - largest)));
                }
                T all = SoftTargets ? coefficients.Value
                    : ofAll + Weight<T>(f.Targets.Classes[n * pixels + pixel]) * Kept<T>();
                for (int j = 0; j < classes; j++)
                    dy[j * pixels] = (all * (dy[j * pixels] / sum) - Coefficient(f, first, j)) * (weight * share);
                total.Add(weight * losses.Value);
            }
        }
        return total.Value * share;
    }

    /// <summary>Derives error bounds; u = 2⁻²⁴, and an exponential or a logarithm is assumed to be accurate within
    /// 4u.</summary>
    /// <remarks>
    /// With a = y − max y, e = exp a and S = Σe, the error of a is u|a|, that of e is (u|a| + 4u)e, and the relative
    /// error of S is ε = Σe(u|a| + 4u)/S + Ku for K classes. The error of p = e/S or exp(a − log S) is δp, where
    /// δ = 2u|a| + ε + 4u·log S + u|log p| + 6u. With the k coefficients q that are not 0 and their sum Q, that of
    /// Qp − q is Qδp + (k − 1)u·Qp + c·u·q, where c = 0 if q is 0 or 1 and 4 otherwise, and three roundings follow. The
    /// error of q·(log S − a) is q(ε + 4u·log S + 2u(|a| + |log p|)) and that of its product, the sum of k of them adds
    /// (k + c − 1)u times the sum. An exponential below the smallest normal number, 2⁻¹²⁶, may be 0, and p with it; and
    /// below it, each of the three roundings is up to 2⁻¹⁵⁰. A sum of class weights adds a rounding for each label.
    /// </remarks>
    /// <param name="bounds">The loss and its gradient, and the memory for the bounds.</param>
    public override bool DeriveBounds(ref LossErrorBounds bounds)
    {
        LossFrame<double> f = bounds.Frame;
        (int classes, int pixels) = (f.Output.C, f.Output.Area);
        double share = f.Share(Reduction, Count(f)), error = 0, total = 0;
        bool isPlain = ClassWeights.IsEmpty && LabelSmoothing == 0 && !SoftTargets;
        double ofShare = ClassWeights.IsEmpty ? 0 : ((double)f.N * pixels + 2) * U;
        for (int n = 0; n < f.N; n++)
        {
            double weight = f.Weight(n);
            for (int pixel = 0; pixel < pixels; pixel++)
            {
                if (IsIgnored(f, n * pixels + pixel))
                    continue;
                int first = n * f.Output.Length + pixel, terms = 0;
                ReadOnlySpan<double> y = f.Y[first..], dy = f.DY[first..];
                double largest = y[0], sum = 0, weighted = 0, all = 0;
                for (int j = 0; j < classes; j++)
                    largest = Math.Max(largest, y[j * pixels]);
                for (int j = 0; j < classes; j++)
                {
                    double e = Math.Exp(y[j * pixels] - largest), q = Coefficient(f, first, j);
                    sum += e;
                    weighted += e * U * (largest - y[j * pixels] + 4);
                    all += q;
                    terms += q == 0 ? 0 : 1;
                }
                double sumError = weighted / sum + classes * U, log = Math.Log(sum), loss = 0, lossError = 0;
                // Where label smoothing or class weights are computed apart, q is the sum of two parts of several
                // factors, and the loss that of two sums.
                double ofTerms = Math.Max(0, terms - 1), ofFactors = isPlain ? 0 : 4;
                for (int j = 0; j < classes; j++)
                {
                    double a = y[j * pixels] - largest, logP = a - log, p = Math.Exp(logP),
                        q = Coefficient(f, first, j);
                    double relative = 2 * U * Math.Abs(a) + sumError + 4 * U * log + U * Math.Abs(logP) + 6 * U
                        + (ofTerms + ofFactors) * U;
                    double underflow = p < SmallestNormal ? SmallestNormal : 0;
                    // A sample of weight 0 has a gradient of exactly 0.
                    double below = weight == 0 ? 0 : RoundingBelowNormal;
                    bounds.GradientBound[first + j * pixels]
                        = (all * (p * relative + underflow) + ofFactors * U * q) * weight * share
                            + (3 * U + ofShare) * Math.Abs(dy[j * pixels]) + 3 * below;
                    loss -= q == 0 ? 0 : q * logP;
                    lossError += q == 0 ? 0 : q * (sumError + 4 * U * log + 2 * U * (Math.Abs(a) + Math.Abs(logP)));
                }
                total += weight * loss;
                error += weight * (lossError + (ofTerms + ofFactors) * U * loss);
            }
        }
        bounds.ValueBound = share * (error + ((long)f.N * pixels + 1) * U * total) + ofShare * share * total;
        return true;
    }

    /// <inheritdoc/>
    protected override double CountOf(Shape output, int n, Targets targets)
    {
        if (SoftTargets)
            return targets.TotalWeight(n) * output.Area;
        double count = 0;
        int each = TargetsPerSample(output);
        for (int i = 0; i < targets.Classes.Length; i++)
        {
            if (targets.Classes[i] != IgnoreClass)
                count += targets.WeightOf(i / each) * Weight<double>(targets.Classes[i]);
        }
        return count;
    }

    // What the mean is divided by.
    private T Count<T>(in LossFrame<T> f) where T : unmanaged, IFloatingPointIeee754<T>
    {
        int pixels = f.Output.Area;
        if (SoftTargets || (ClassWeights.IsEmpty && !f.Targets.Classes.Contains(IgnoreClass)))
            return f.TotalWeight * T.CreateChecked(pixels);
        BlockedSum<T> count = default;
        for (int i = 0; i < f.Targets.Classes.Length; i++)
            count.Add(IsIgnored(f, i) ? T.Zero : f.Weight(i / pixels) * Weight<T>(f.Targets.Classes[i]));
        return count.Value;
    }

    private bool IsIgnored<T>(in LossFrame<T> f, int label) where T : unmanaged, IFloatingPointIeee754<T>
        => !SoftTargets && f.Targets.Classes[label] == IgnoreClass;

    // q_j of the pixel whose first output has a given index.
    private T Coefficient<T>(in LossFrame<T> f, int first, int j) where T : unmanaged, IFloatingPointIeee754<T>
    {
        int pixels = f.Output.Area;
        T target = SoftTargets ? T.CreateChecked(f.Targets.Values[first + j * pixels])
            : f.Targets.Classes[first / f.Output.Length * pixels + first % pixels] == j ? T.One : T.Zero;
        return Weight<T>(j) * (Kept<T>() * target + Smoothing<T>(f.Output.C));
    }

    private T Weight<T>(int j) where T : unmanaged, IFloatingPointIeee754<T>
        => ClassWeights.IsEmpty ? T.One : T.CreateChecked(ClassWeights[j]);

    private T Kept<T>() where T : unmanaged, IFloatingPointIeee754<T>
        => T.One - T.CreateChecked(LabelSmoothing);

    private T Smoothing<T>(int classes) where T : unmanaged, IFloatingPointIeee754<T>
        => T.CreateChecked(LabelSmoothing) / T.CreateChecked(classes);

    private T SumOfSmoothing<T>(int classes) where T : unmanaged, IFloatingPointIeee754<T>
    {
        if (LabelSmoothing == 0)
            return T.Zero;
        BlockedSum<T> sum = default;
        for (int j = 0; j < classes; j++)
            sum.Add(Weight<T>(j) * Smoothing<T>(classes));
        return sum.Value;
    }
}
