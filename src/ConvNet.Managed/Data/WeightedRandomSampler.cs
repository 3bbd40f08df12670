using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>Selects samples at random with probabilities in proportion to weights.</summary>
/// <remarks>As torch's <c>WeightedRandomSampler</c>. Without replacement, each sample is drawn at most once, from those
/// that are left, in proportion to its weight: Efraimidis and Spirakis, "Weighted random sampling with a reservoir",
/// 2006.</remarks>
public sealed record WeightedRandomSampler : Sampler
{
    private static readonly AttributeDeclaration<ClassWeights> s_weights
        = AttributeDeclaration.Weights<WeightedRandomSampler>("weights", sampler => sampler.Weights);

    private static readonly AttributeDeclaration<bool> s_perClass
        = AttributeDeclaration.Flag<WeightedRandomSampler>("perClass", sampler => sampler.PerClass, false);

    private static readonly AttributeDeclaration<int> s_numSamples
        = AttributeDeclaration.Integer<WeightedRandomSampler>("numSamples", sampler => sampler.NumSamples, 0, least: 0);

    private static readonly AttributeDeclaration<bool> s_replacement
        = AttributeDeclaration.Flag<WeightedRandomSampler>("replacement", sampler => sampler.Replacement, true);

    /// <summary>The declaration of the sampler for files.</summary>
    public static Declaration<Sampler> Declared { get; } = new("weighted", "selects in proportion to weights",
        [s_weights, s_perClass, s_numSamples, s_replacement],
        values => new WeightedRandomSampler(values.Get(s_weights), values.Get(s_perClass), values.Get(s_numSamples),
            values.Get(s_replacement)));

    /// <summary>Creates a sampler.</summary>
    /// <param name="weights">A weight of at least 0 for each sample, or for each class.</param>
    /// <param name="perClass">Whether there is a weight for each class, which every sample of the class has. The data
    /// set then needs one target of one class for each sample.</param>
    /// <param name="numSamples">The number of samples of each epoch; 0 for the number in the data set.</param>
    /// <param name="replacement">Whether a sample may be drawn several times in an epoch.</param>
    /// <exception cref="ArgumentException">There are no weights.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public WeightedRandomSampler(ClassWeights weights, bool perClass = false, int numSamples = 0,
        bool replacement = true)
    {
        if (weights.IsEmpty)
            throw new ArgumentException($"{Declared.Kind}: there are no weights. Pass one for each sample, or one for "
                + "each class with perClass.", nameof(weights));
        (Weights, PerClass, Replacement) = (weights, perClass, replacement);
        NumSamples = s_numSamples.Check(Declared.Kind, numSamples);
    }

    /// <summary>A weight for each sample, or for each class.</summary>
    public ClassWeights Weights { get; }

    /// <summary>Whether there is a weight for each class.</summary>
    public bool PerClass { get; }

    /// <summary>The number of samples of each epoch; 0 for the number in the data set.</summary>
    public int NumSamples { get; }

    /// <summary>Whether a sample may be drawn several times in an epoch.</summary>
    public bool Replacement { get; }

    /// <inheritdoc/>
    public override Declaration<Sampler> Declaration => Declared;

    /// <inheritdoc/>
    public override SampleOrder For(IDataset dataset)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        float[] weights = WeightsOf(dataset);
        int count = NumSamples > 0 ? NumSamples : dataset.Count, possible = weights.Count(weight => weight > 0);
        if (possible == 0)
            throw new ArgumentException("The data set has no sample of a class with a weight above 0. Give one of its "
                + "classes a weight.", nameof(dataset));
        if (!Replacement && count > possible)
            throw new ArgumentException(Invariant($"{count:N0} samples cannot be drawn without replacement from ")
                + Invariant($"{possible:N0} with a weight above 0. Draw fewer (numSamples), or with replacement."),
                nameof(dataset));
        return new SampleOrder(count, (seed, epoch) => Replacement ? Draw(weights, count, RandomOf(seed, epoch))
            : DrawOnce(weights, count, RandomOf(seed, epoch)));
    }

    private float[] WeightsOf(IDataset dataset)
    {
        ClassWeights weights = Weights;
        if (!PerClass)
            return weights.Count == dataset.Count ? [.. weights] : throw new ArgumentException(
                Invariant($"There are {weights.Count:N0} weights for {dataset.Count:N0} samples. Pass one for each ")
                + "sample, or one for each class with perClass.", nameof(dataset));
        int[] labels = ClassLabels.Of(dataset, nameof(WeightedRandomSampler));
        int classes = dataset.Targets.Single(target => target.Kind == TargetKind.Classes).Classes;
        return weights.Count == classes
            ? Array.ConvertAll(labels, label => label == ClassLabels.None ? 0 : weights[label])
            : throw new ArgumentException($"There are {weights.Count} weights for {classes} classes. Pass one for each "
                + "class.", nameof(dataset));
    }

    private static int[] Draw(float[] weights, int count, RandomSequence random)
    {
        var sums = new double[weights.Length];
        double sum = 0;
        for (int i = 0; i < sums.Length; i++)
            sums[i] = sum += weights[i];
        var selected = new int[count];
        for (int i = 0; i < count; i++)
        {
            // The first sample whose sum is above the number; a sample of weight 0 has the sum of the one before.
            double number = random.Uniform(0, sum);
            int least = 0, most = sums.Length - 1;
            while (least < most)
            {
                int middle = (least + most) / 2;
                if (sums[middle] > number)
                    most = middle;
                else
                    least = middle + 1;
            }
            selected[i] = least;
        }
        return selected;
    }

    // The samples with the largest u^(1/w), where u is uniform in (0, 1].
    private static int[] DrawOnce(float[] weights, int count, RandomSequence random)
        => [.. weights.Select((weight, i) => (Key: Math.Log(1 - random.Uniform(0, 1)) / weight, Sample: i))
            .Where(each => weights[each.Sample] > 0).OrderByDescending(each => each.Key).ThenBy(each => each.Sample)
            .Take(count).Select(each => each.Sample)];
}
