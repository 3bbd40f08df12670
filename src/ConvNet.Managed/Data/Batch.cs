namespace ConvNet.Data;

/// <summary>A batch of samples from a <see cref="DataLoader"/>.</summary>
/// <remarks>
/// The caller that takes a batch from the loader owns it. It is unchanged until it is disposed; then its memory is
/// reused for another batch. A batch that is never disposed is left to the garbage collector.
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

    /// <summary>The position of this batch among the batches of the loader.</summary>
    public LoaderPosition Position { get; }

    /// <summary>The position of the next batch.</summary>
    public LoaderPosition Next => Position.Batch + 1 < _loader.BatchCount
        ? Position with { Batch = Position.Batch + 1 }
        : new LoaderPosition(Position.Epoch + 1, 0);

    /// <summary>The number of samples, N.</summary>
    public int Count { get; }

    /// <summary>The inputs, N×C×H×W.</summary>
    /// <exception cref="ObjectDisposedException">The batch is disposed.</exception>
    public ReadOnlySpan<float> Inputs => Buffers.Inputs.AsSpan(0, Count * _loader.Shape.Length);

    /// <summary>The class indices of the targets; empty if the targets are values.</summary>
    /// <inheritdoc cref="Inputs" path="/exception"/>
    public ReadOnlySpan<int> Classes
        => IsValues ? [] : Buffers.Classes.AsSpan(0, Count * _loader.Dataset.Target.Length);

    /// <summary>The values of the targets; empty if the targets are classes.</summary>
    /// <inheritdoc cref="Inputs" path="/exception"/>
    public ReadOnlySpan<float> Values
        => IsValues ? Buffers.Values.AsSpan(0, Count * _loader.Dataset.Target.Length) : [];

    /// <summary>The targets in the form that a loss takes.</summary>
    /// <inheritdoc cref="Inputs" path="/exception"/>
    public Targets Targets => IsValues ? Targets.Of(Values) : Targets.Of(Classes);

    /// <summary>The indices of the samples in the data set.</summary>
    /// <inheritdoc cref="Inputs" path="/exception"/>
    public ReadOnlySpan<int> Samples => Buffers.Samples.AsSpan(0, Count);

    /// <summary>Returns the memory of the batch to the loader.</summary>
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
    /// <summary>Allocates memory for a given number of samples.</summary>
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

    /// <summary>Returns the memory of one sample.</summary>
    public Sample Of(int place, int inputLength, int targetLength) => new(
        Inputs.AsSpan(place * inputLength, inputLength),
        Classes.Length == 0 ? [] : Classes.AsSpan(place * targetLength, targetLength),
        Values.Length == 0 ? [] : Values.AsSpan(place * targetLength, targetLength));
}

/// <summary>A position among the batches of a <see cref="DataLoader"/>.</summary>
/// <param name="Epoch">The epoch, from 1.</param>
/// <param name="Batch">The index of the batch within the epoch, from 0.</param>
public readonly record struct LoaderPosition(int Epoch, int Batch)
{
    /// <summary>The first batch of the first epoch.</summary>
    public static LoaderPosition Start { get; } = new(1, 0);
}
