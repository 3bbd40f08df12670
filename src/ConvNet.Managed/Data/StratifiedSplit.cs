namespace ConvNet.Data;

/// <summary>Splits labelled samples in two with the same class proportions.</summary>
internal static class StratifiedSplit
{
    /// <summary>Returns the samples of each set, in ascending order.</summary>
    /// <param name="labels">The class of every sample.</param>
    /// <param name="share">The fraction of every class in the second set, rounded to whole samples.</param>
    /// <param name="seed">The seed that selects the samples of each set.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="share"/> is not between 0 and 1.</exception>
    public static (int[] First, int[] Second) Of(ReadOnlySpan<int> labels, double share, ulong seed)
    {
        if (share is not (> 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(share),
                $"The share is {share}; it must be between 0 and 1, so that neither set is empty.");
        int[] classes = labels.ToArray();
        var second = new HashSet<int>();
        foreach (IGrouping<int, int> members in Enumerable.Range(0, classes.Length).GroupBy(i => classes[i]))
        {
            int[] samples = [.. members];
            int taken = (int)Math.Round(samples.Length * share);
            second.UnionWith(Shuffle.Order(samples.Length, seed, round: members.Key).Take(taken)
                .Select(i => samples[i]));
        }
        ILookup<bool, int> sets = Enumerable.Range(0, classes.Length).ToLookup(second.Contains);
        return ([.. sets[false]], [.. sets[true]]);
    }
}
