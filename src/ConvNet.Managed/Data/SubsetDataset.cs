using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>Some of the samples of a data set, in a given order.</summary>
public sealed class SubsetDataset : IDataset
{
    private readonly IDataset _whole;
    private readonly int[] _samples;

    /// <summary>Creates a subset.</summary>
    /// <param name="whole">The data set.</param>
    /// <param name="samples">The indices of the samples, which may repeat.</param>
    /// <exception cref="ArgumentNullException"><paramref name="whole"/> or <paramref name="samples"/> is
    /// null.</exception>
    /// <exception cref="ArgumentException">There is no index.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The data set has no sample of an index.</exception>
    public SubsetDataset(IDataset whole, IEnumerable<int> samples)
    {
        ArgumentNullException.ThrowIfNull(whole);
        ArgumentNullException.ThrowIfNull(samples);
        (_whole, _samples) = (whole, [.. samples]);
        if (_samples.Length == 0)
            throw new ArgumentException("The subset has no samples; it needs at least one index.", nameof(samples));
        int wrong = Array.FindIndex(_samples, index => (uint)index >= (uint)whole.Count);
        if (wrong >= 0)
            throw new ArgumentOutOfRangeException(nameof(samples), Invariant($"The index {_samples[wrong]:N0} at ")
                + Invariant($"position {wrong:N0} of the subset is out of range: the data set has the samples 0 to ")
                + Invariant($"{whole.Count - 1:N0}."));
    }

    /// <inheritdoc/>
    public int Count => _samples.Length;

    /// <inheritdoc/>
    public IReadOnlyList<InputShape> InputShapes => _whole.InputShapes;

    /// <inheritdoc/>
    public IReadOnlyList<TargetDescription> Targets => _whole.Targets;

    /// <inheritdoc/>
    public void Read(int index, Sample sample) => _whole.Read(_samples[index], sample);

    /// <inheritdoc/>
    public int? ClassOf(int index) => _whole.ClassOf(_samples[index]);

    /// <inheritdoc/>
    public string? FileOf(int index) => _whole.FileOf(_samples[index]);
}
