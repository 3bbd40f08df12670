using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>The samples of an epoch, in their order.</summary>
/// <param name="Samples">The index of each sample; null if all are visited in their own order.</param>
/// <param name="Repeats">How often each has occurred before in the epoch; null if none occurs twice.</param>
internal sealed record EpochSamples(int[]? Samples, int[]? Repeats)
{
    /// <summary>Counts the repetitions of a sampler's selection.</summary>
    /// <param name="samples">The index of each sample.</param>
    /// <param name="count">The number of samples in the data set.</param>
    /// <exception cref="InvalidOperationException">The data set has no sample of an index.</exception>
    public static EpochSamples Repeating(int[] samples, int count)
    {
        int[] seen = new int[count], repeats = new int[samples.Length];
        for (int i = 0; i < samples.Length; i++)
        {
            if ((uint)samples[i] >= (uint)count)
                throw new InvalidOperationException(Invariant($"The sampler has selected sample {samples[i]:N0}, but ")
                    + Invariant($"the data set has the samples 0 to {count - 1:N0}. Correct it."));
            repeats[i] = seen[samples[i]]++;
        }
        return new EpochSamples(samples, repeats);
    }

    /// <summary>The index of the sample at a position of the epoch.</summary>
    public int SampleAt(int position) => Samples is null ? position : Samples[position];

    /// <summary>How often the sample at a position has occurred before in the epoch.</summary>
    public int RepeatAt(int position) => Repeats is null ? 0 : Repeats[position];
}
