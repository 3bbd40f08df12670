namespace ConvNet.Data;

/// <summary>Mixes each sample with the one before it: λ·x_n + (1 − λ)·x_{n−1}, for inputs and targets.</summary>
/// <remarks>As torchvision's <c>MixUp</c>: λ is drawn from Beta(α, α), once for each batch, and the first sample is
/// mixed with the last. Source: Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018.</remarks>
public sealed record MixUp : BatchTransform
{
    private static readonly AttributeDeclaration<double> s_alpha = Mixing.Alpha<MixUp>(mix => mix.Alpha);

    /// <summary>The declaration of the transform for files.</summary>
    public static Declaration<BatchTransform> Declared { get; } = new("mixup", "mixes the samples of a batch",
        [s_alpha], values => new MixUp(values.Get(s_alpha)));

    /// <summary>Creates a mixup.</summary>
    /// <param name="alpha">α, above 0. With small values, one of both samples predominates.</param>
    /// <exception cref="ArgumentOutOfRangeException">α is not a finite number above 0.</exception>
    public MixUp(double alpha = 1)
    {
        Alpha = s_alpha.Check(Declared.Kind, alpha);
    }

    /// <summary>α of the distribution of λ.</summary>
    public double Alpha { get; }

    /// <inheritdoc/>
    public override Declaration<BatchTransform> Declaration => Declared;

    /// <inheritdoc/>
    public override void Apply(in BatchSamples batch, RandomSequence random)
    {
        ArgumentNullException.ThrowIfNull(random);
        float share = (float)Mixing.Share(random, Alpha);
        Mixing.Inputs(batch, (_, other, own) => Mixing.Blend(other, own, share));
        Mixing.Targets(batch, share);
    }
}
