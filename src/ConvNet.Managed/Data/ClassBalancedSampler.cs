namespace ConvNet.Data;

/// <summary>Selects samples of all classes equally often, in random order.</summary>
/// <remarks>
/// Of C successive samples, each is of another class of the C classes that the data set has. All samples of a class are
/// selected once, in random order, before one is selected again. Classes with many samples are seen in part in each
/// epoch, another one each time. The data set needs one target of one class for each sample.
/// </remarks>
public sealed record ClassBalancedSampler : Sampler
{
    private static readonly AttributeDeclaration<int> s_numSamples
        = AttributeDeclaration.Integer<ClassBalancedSampler>("numSamples", sampler => sampler.NumSamples, 0, least: 0);

    /// <summary>The declaration of the sampler for files.</summary>
    public static Declaration<Sampler> Declared { get; } = new("balanced", "selects all classes equally often",
        [s_numSamples], values => new ClassBalancedSampler(values.Get(s_numSamples)));

    /// <summary>Creates a sampler.</summary>
    /// <param name="numSamples">The number of samples of each epoch; 0 for the number in the data set.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public ClassBalancedSampler(int numSamples = 0)
    {
        NumSamples = s_numSamples.Check(Declared.Kind, numSamples);
    }

    /// <summary>The number of samples of each epoch; 0 for the number in the data set.</summary>
    public int NumSamples { get; }

    /// <inheritdoc/>
    public override Declaration<Sampler> Declaration => Declared;

    /// <inheritdoc/>
    public override SampleOrder For(IDataset dataset)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        int[][] classes = [.. ClassLabels.Of(dataset, nameof(ClassBalancedSampler)).Index()
            .Where(sample => sample.Item != ClassLabels.None)
            .GroupBy(sample => sample.Item, sample => sample.Index).OrderBy(group => group.Key)
            .Select(group => group.ToArray())];
        int count = NumSamples > 0 ? NumSamples : dataset.Count;
        return new SampleOrder(count, (seed, epoch) => Draw(classes, count, seed, epoch));
    }

    private static int[] Draw(int[][] classes, int count, ulong seed, int epoch)
    {
        RandomSequence ofClasses = RandomOf(seed, epoch);
        RandomSequence[] ofSamples = [.. classes.Select((_, i) => RandomOf(seed, epoch, i + 1))];
        int[][] left = [.. classes.Select(samples => samples.ToArray())];
        int[] used = new int[classes.Length], order = [.. Enumerable.Range(0, classes.Length)];
        var selected = new int[count];
        for (int i = 0; i < count; i++)
        {
            int turn = i % classes.Length;
            if (turn == 0)
                ofClasses.Shuffle<int>(order);
            int at = order[turn], position = used[at]++ % left[at].Length;
            if (position == 0)
                ofSamples[at].Shuffle<int>(left[at]);
            selected[i] = left[at][position];
        }
        return selected;
    }
}
