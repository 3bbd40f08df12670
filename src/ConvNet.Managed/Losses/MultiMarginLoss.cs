using System.Numerics;

namespace ConvNet;

/// <summary>Multi-class margin loss, as torch's <c>MultiMarginLoss</c>: the mean over the batch of
/// w_t/C·Σ_{j≠t} max(0, y_j − y_t + Δ)ᵖ, with a weight w_t for each class t and C classes.</summary>
/// <remarks>
/// Gradient: w_n·w_t/C·p·mᵖ⁻¹ / Σ w_n for every j ≠ t with a positive margin m = y_j − y_t + Δ, and minus the sum of
/// these for t; 0 at the hinge itself. The mean is over the samples, as torch's; it is not divided by their class
/// weights. Targets: N classes. <see cref="MulticlassSvm"/> does not divide by C.
/// </remarks>
/// <param name="P">The exponent p: 1 or 2.</param>
/// <param name="Margin">The margin Δ, a finite number.</param>
/// <param name="ClassWeights">w_t, one weight for each class; empty if all are 1.</param>
/// <exception cref="ArgumentOutOfRangeException">The exponent is not 1 or 2, or the margin is not finite.</exception>
public sealed record MultiMarginLoss(int P = 1, float Margin = 1f, ClassWeights ClassWeights = default) : HingeLoss
{
    private static readonly AttributeDeclaration<int> s_p = AttributeDeclaration.Choice<MultiMarginLoss, int>("p",
        loss => loss.P, [("1", 1), ("2", 2)], 1);

    private static readonly AttributeDeclaration<float> s_margin = AttributeDeclaration.Number<MultiMarginLoss>(
        "margin", loss => loss.Margin, NumberInterval.Finite, 1f);

    private static readonly AttributeDeclaration<ClassWeights> s_classWeights
        = AttributeDeclaration.Weights<MultiMarginLoss>("classWeights", loss => loss.ClassWeights);

    private static readonly AttributeDeclaration<Reduction> s_reduction = ReductionOf<MultiMarginLoss>();

    /// <summary>The declaration by which files and commands identify the loss.</summary>
    public static Declaration<Loss> Declared { get; } = new("multimargin", "hinge of torch, linear or squared",
        [s_p, s_margin, s_classWeights, s_reduction],
        values => new MultiMarginLoss(values.Get(s_p), values.Get(s_margin), values.Get(s_classWeights))
        { Reduction = values.Get(s_reduction) });

    /// <inheritdoc/>
    public override Declaration<Loss> Declaration => Declared;

    /// <summary>The exponent p: 1 or 2.</summary>
    public int P { get; init; } = s_p.Check(Declared.Kind, P);

    /// <summary>The margin Δ, a finite number.</summary>
    public float Margin { get; init; } = s_margin.Check(Declared.Kind, Margin);

    internal override float Distance => Margin;

    internal override int Power => P;

    internal override T Factor<T>(int target, int classes)
        => (ClassWeights.IsEmpty ? T.One : T.CreateChecked(ClassWeights[target])) / T.CreateChecked(classes);

    /// <inheritdoc/>
    public override void CheckOutput(Node output)
    {
        base.CheckOutput(output);
        ClassWeights.CheckFor(output.Name, output.Shape.C, nameof(MultiMarginLoss), "class weights");
    }

    internal override Loss ForClasses(int classes) => this with { ClassWeights = ClassWeights.ForClasses(classes) };

    internal override string? Rounding(Shape output, int n)
        => !BitOperations.IsPow2(output.C) ? $"the division by {output.C} classes is rounded in float32"
            : !ClassWeights.IsEmpty ? "class weights are rounded in float32"
            : base.Rounding(output, n);
}
