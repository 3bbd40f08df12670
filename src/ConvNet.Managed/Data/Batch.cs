namespace ConvNet.Data;

/// <summary>Some samples, put together by a <see cref="DataLoader"/>.</summary>
/// <remarks>
/// It belongs to whoever took it from the loader and stays as it is until it is disposed: its memory then serves
/// another batch. One that is never disposed is left to the garbage collector.
/// </remarks>
public sealed class Batch : IDisposable
{
    private readonly DataLoader _loader;
    private BatchBuffers? _buffers;

    internal Batch(DataLoader loader, BatchBuffers buffers, LoaderPosition position, int count)
    {
        (_loader, _buffers) = (loader, buffers);
        (Position, Count) = (position, count);
    }

    /// <summary>Where it stands among the batches of the loader.</summary>
    public LoaderPosition Position { get; }

    /// <summary>The position of the batch that comes after it.</summary>
    public LoaderPosition Next => Position.Batch + 1 < _loader.BatchCount
        ? Position with { Batch = Position.Batch + 1 }
        : new LoaderPosition(Position.Epoch + 1, 0);

    /// <summary>The number of samples, N.</summary>
    public int Count { get; }

    /// <summary>The inputs, N×C×H×W.</summary>
    /// <exception cref="ObjectDisposedException">The batch is disposed.</exception>
    public ReadOnlySpan<float> Inputs => Buffers.Inputs.AsSpan(0, Count * _loader.Shape.Length);

    /// <summary>The class indices of the targets; empty where the targets are values.</summary>
    /// <inheritdoc cref="Inputs" path="/exception"/>
    public ReadOnlySpan<int> Classes
        => IsValues ? [] : Buffers.Classes.AsSpan(0, Count * _loader.Dataset.Target.Length);

    /// <summary>The values of the targets; empty where the targets are classes.</summary>
    /// <inheritdoc cref="Inputs" path="/exception"/>
    public ReadOnlySpan<float> Values
        => IsValues ? Buffers.Values.AsSpan(0, Count * _loader.Dataset.Target.Length) : [];

    /// <summary>The targets, as a loss takes them.</summary>
    /// <inheritdoc cref="Inputs" path="/exception"/>
    public Targets Targets => IsValues ? Targets.Of(Values) : Targets.Of(Classes);

    /// <summary>The numbers of the samples in the data set.</summary>
    /// <inheritdoc cref="Inputs" path="/exception"/>
    public ReadOnlySpan<int> Samples => Buffers.Samples.AsSpan(0, Count);

    /// <summary>Gives its memory back to the loader.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _buffers, null) is { } buffers)
            _loader.Recycle(buffers);
    }

    private bool IsValues => _loader.Dataset.Target.Kind == TargetKind.Values;

    private BatchBuffers Buffers
    {
        get
        {
            BatchBuffers? buffers = _buffers;
            ObjectDisposedException.ThrowIf(buffers is null, this);
            return buffers;
        }
    }
}

/// <summary>The memory of a batch.</summary>
internal sealed class BatchBuffers
{
    /// <summary>Takes memory for so many samples.</summary>
    public BatchBuffers(int samples, int inputLength, TargetDescription target)
    {
        int targets = checked(samples * target.Length);
        Inputs = GC.AllocateUninitializedArray<float>(samples * inputLength);
        Classes = target.Kind == TargetKind.Values ? [] : new int[targets];
        Values = target.Kind == TargetKind.Values ? new float[targets] : [];
        Samples = new int[samples];
    }

    public float[] Inputs { get; }

    public int[] Classes { get; }

    public float[] Values { get; }

    public int[] Samples { get; }

    /// <summary>The memory of one sample.</summary>
    public Sample Of(int place, int inputLength, int targetLength) => new(
        Inputs.AsSpan(place * inputLength, inputLength),
        Classes.Length == 0 ? [] : Classes.AsSpan(place * targetLength, targetLength),
        Values.Length == 0 ? [] : Values.AsSpan(place * targetLength, targetLength));
}

/// <summary>A place among the batches of a <see cref="DataLoader"/>.</summary>
/// <param name="Epoch">The pass over the data, from 1.</param>
/// <param name="Batch">The batch of the pass, from 0.</param>
public readonly record struct LoaderPosition(int Epoch, int Batch)
{
    /// <summary>The first batch of the first pass.</summary>
    public static LoaderPosition Start { get; } = new(1, 0);
}
