namespace ConvNet.Data;

/// <summary>A batch of samples from a <see cref="DataLoader"/>.</summary>
/// <remarks>
/// The caller that takes a batch from the loader owns it. It is unchanged until it is disposed; then its memory is
/// reused for another batch. A batch that is never disposed is left to the garbage collector.
/// </remarks>
public sealed class Batch : IDisposable
{
    private readonly DataLoader _loader;
    private SampleMemory? _memory;

    internal Batch(DataLoader loader, SampleMemory memory, LoaderPosition position, int count)
    {
        (_loader, _memory) = (loader, memory);
        (Position, Count) = (position, count);
    }

    /// <summary>The position of this batch among the batches of the loader.</summary>
    public LoaderPosition Position { get; }

    /// <summary>The position of the next batch.</summary>
    public LoaderPosition Next => Position.Batch + 1 < _loader.BatchCount
        ? Position with { Batch = Position.Batch + 1 }
        : new LoaderPosition(Position.Epoch + 1, 0);

    /// <summary>The time for which the caller waited for the batch; zero if it was ready. Without workers, it is the
    /// time in which it was made.</summary>
    public TimeSpan Waited { get; internal set; }

    /// <summary>The number of samples, N.</summary>
    public int Count { get; }

    /// <summary>The inputs in the form that a network takes: the values of the only input, or those of each input by
    /// name.</summary>
    /// <exception cref="ObjectDisposedException">The batch is disposed.</exception>
    public BatchValues Inputs => Memory.Inputs(Count);

    /// <summary>The targets in the form that a loss takes: those of the only output, or those of each output by
    /// name.</summary>
    /// <inheritdoc cref="Inputs" path="/exception"/>
    public Targets Targets => Memory.AllTargets(Count);

    /// <summary>The values of the only input, N×C×H×W.</summary>
    /// <inheritdoc cref="Inputs" path="/exception"/>
    /// <exception cref="InvalidOperationException">The data set has several inputs.</exception>
    public ReadOnlySpan<float> Input => Memory.FirstInputs(Memory.OnlyInput, Count).Span;

    /// <summary>The class indices of the only target; empty if the target is values.</summary>
    /// <inheritdoc cref="Inputs" path="/exception"/>
    /// <exception cref="InvalidOperationException">The data set has several targets.</exception>
    public ReadOnlySpan<int> Classes => Memory.FirstClasses(Memory.OnlyTarget, Count).Span;

    /// <summary>The values of the only target; empty if the target is classes.</summary>
    /// <inheritdoc cref="Classes" path="/exception"/>
    public ReadOnlySpan<float> Values => Memory.FirstValues(Memory.OnlyTarget, Count).Span;

    /// <summary>Gets the values of an input by name, N×C×H×W.</summary>
    /// <param name="name">The name of the input.</param>
    /// <inheritdoc cref="Inputs" path="/exception"/>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">The data set has no input with this name.</exception>
    public ReadOnlySpan<float> InputOf(string name) => Memory.FirstInputs(Memory.InputIndex(name), Count).Span;

    /// <summary>Gets the class indices of a target by the name of its output; empty if the target is values.</summary>
    /// <param name="output">The name of the output.</param>
    /// <inheritdoc cref="Inputs" path="/exception"/>
    /// <exception cref="ArgumentNullException"><paramref name="output"/> is null.</exception>
    /// <exception cref="ArgumentException">The data set has no target for this output.</exception>
    public ReadOnlySpan<int> ClassesOf(string output) => Memory.FirstClasses(Memory.TargetIndex(output), Count).Span;

    /// <summary>Gets the values of a target by the name of its output; empty if the target is classes.</summary>
    /// <param name="output">The name of the output.</param>
    /// <inheritdoc cref="ClassesOf" path="/exception"/>
    public ReadOnlySpan<float> ValuesOf(string output) => Memory.FirstValues(Memory.TargetIndex(output), Count).Span;

    /// <summary>The indices of the samples in the data set.</summary>
    /// <inheritdoc cref="Inputs" path="/exception"/>
    public ReadOnlySpan<int> Samples => Memory.Samples.AsSpan(0, Count);

    /// <summary>Returns the memory of the batch to the loader.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _memory, null) is { } memory)
            _loader.Recycle(memory);
    }

    /// <summary>The memory of the batch.</summary>
    internal SampleMemory Memory
    {
        get
        {
            SampleMemory? memory = _memory;
            ObjectDisposedException.ThrowIf(memory is null, this);
            return memory;
        }
    }
}

/// <summary>A position among the batches of a <see cref="DataLoader"/>.</summary>
/// <param name="Epoch">The epoch, from 1.</param>
/// <param name="Batch">The index of the batch within the epoch, from 0.</param>
public readonly record struct LoaderPosition(int Epoch, int Batch)
{
    /// <summary>The first batch of the first epoch.</summary>
    public static LoaderPosition Start { get; } = new(1, 0);
}
