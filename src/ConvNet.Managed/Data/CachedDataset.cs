namespace ConvNet.Data;

/// <summary>Keeps the samples of a data set in memory once they have been read.</summary>
/// <remarks>Inputs whose values are whole numbers from 0 to 255 take a byte of memory for each value, others four. The
/// samples are those of the data set, whatever is kept.</remarks>
public sealed class CachedDataset : IDataset
{
    private readonly IDataset _source;
    private readonly SamplePacking _bytes, _floats;
    private readonly byte[]?[] _records;
    private readonly long _most;
    private long _kept;

    /// <summary>Creates a cache, which is empty.</summary>
    /// <param name="source">The data set.</param>
    /// <param name="maxBytes">The memory in bytes for samples. When it is used up, further samples are read from the
    /// data set each time.</param>
    /// <exception cref="ArgumentNullException"><paramref name="source"/> is null.</exception>
    /// <exception cref="ArgumentException">The data set describes an input or a target wrongly.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The memory is negative.</exception>
    public CachedDataset(IDataset source, long maxBytes = long.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        SampleTensors.Check(source);
        (_source, _most, _records) = (source, maxBytes, new byte[]?[source.Count]);
        (_bytes, _floats) = (new SamplePacking(source, areBytes: true), new SamplePacking(source, areBytes: false));
    }

    /// <inheritdoc/>
    public int Count => _records.Length;

    /// <inheritdoc/>
    public IReadOnlyList<InputShape> InputShapes => _source.InputShapes;

    /// <inheritdoc/>
    public IReadOnlyList<TargetDescription> Targets => _source.Targets;

    /// <summary>The memory in bytes that samples take.</summary>
    public long KeptBytes => Interlocked.Read(ref _kept);

    /// <inheritdoc/>
    public void Read(int index, Sample sample)
    {
        if (Volatile.Read(ref _records[index]) is { } record)
        {
            (record.Length == _bytes.Length ? _bytes : _floats).Unpack(record, sample);
            return;
        }
        _source.Read(index, sample);
        if (KeptBytes >= _most)
            return;
        var packed = new byte[_bytes.Length];
        if (!_bytes.TryPack(sample, packed))
        {
            packed = new byte[_floats.Length];
            _floats.TryPack(sample, packed);
        }
        if (Interlocked.Add(ref _kept, packed.Length) > _most
            || Interlocked.CompareExchange(ref _records[index], packed, null) is not null)
            Interlocked.Add(ref _kept, -packed.Length);
    }

    /// <inheritdoc/>
    public int? ClassOf(int index) => _source.ClassOf(index);

    /// <inheritdoc/>
    public string? FileOf(int index) => _source.FileOf(index);
}
