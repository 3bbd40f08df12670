using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading.Channels;
using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>Options for creating batches with a <see cref="DataLoader"/>.</summary>
public sealed record DataLoaderOptions
{
    /// <summary>Whether each epoch visits the samples in a new random order. Otherwise they keep their
    /// order.</summary>
    public bool Shuffle { get; init; }

    /// <summary>The seed of the order and of the random transforms.</summary>
    public ulong Seed { get; init; }

    /// <summary>The transforms applied to the inputs, in this order. A <see cref="Transform"/> converts implicitly to
    /// that of the only input; with several inputs each names its own, as <c>("image", normalization)</c>.</summary>
    public IReadOnlyList<InputTransform> Transforms { get; init; } = [];

    /// <summary>The transforms of whole batches. If there are several, each batch goes through one of them, which is
    /// chosen at random, as with torchvision's <c>RandomChoice</c>. Classes become probabilities.</summary>
    public IReadOnlyList<BatchTransform> BatchTransforms { get; init; } = [];

    /// <summary>What selects the samples of each epoch and their order; null for all samples once, in the order that
    /// <see cref="Shuffle"/> says.</summary>
    public Sampler? Sampler { get; init; }

    /// <summary>Whether an incomplete last batch of an epoch is dropped.</summary>
    public bool DropLast { get; init; }

    /// <summary>
    /// The number of threads that prepare batches in the background. With 0, a batch is created when it is requested.
    /// The number does not affect the batches.
    /// </summary>
    public int Workers { get; init; } = 1;

    /// <summary>The number of batches that each worker prepares in advance.</summary>
    public int BatchesAhead { get; init; } = 2;

    /// <summary>The samples of each batch that are read, on one of several ranks that share the batches. The values of
    /// the others are unspecified. With <see cref="BatchTransforms"/>, all are read, because they mix them.</summary>
    public BatchShare Share { get; init; } = BatchShare.Whole;

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(DataLoaderOptions), (nameof(Shuffle), Shuffle),
        (nameof(Seed), Seed), (nameof(Transforms), Transforms), (nameof(BatchTransforms), BatchTransforms),
        (nameof(Sampler), Sampler), (nameof(DropLast), DropLast), (nameof(Workers), Workers),
        (nameof(BatchesAhead), BatchesAhead), (nameof(Share), Share));
}

/// <summary>Creates batches from a data set, in a seeded order, through transforms, ahead of their use.</summary>
/// <remarks>
/// A batch depends only on the data set, the options and its <see cref="LoaderPosition"/>. Neither the number of
/// workers nor the position at which an epoch started affects it. A loader holds no thread and no file between epochs.
/// </remarks>
/// <example><code>
/// var loader = new DataLoader(data, 64, new() { Shuffle = true, Seed = 1, Transforms = [normalization] });
/// foreach (Batch batch in loader.Epoch(1))
/// {
///     using (batch)
///         net.TrainStep(batch.Inputs, batch.Targets, 0.05f);
/// }
/// </code></example>
public sealed class DataLoader
{
    private readonly DataLoaderOptions _options;
    private readonly ConcurrentBag<SampleMemory> _free = [];
    private readonly IReadOnlyList<TargetDescription> _targets;
    private readonly EpochOrder _order;

    /// <summary>Creates a loader.</summary>
    /// <param name="dataset">The data set.</param>
    /// <param name="batchSize">The number of samples in a full batch.</param>
    /// <param name="options">The options for creating batches.</param>
    /// <exception cref="ArgumentNullException"><paramref name="dataset"/> is null.</exception>
    /// <exception cref="ArgumentException">
    /// The data set is empty, a transform does not accept its inputs, the sampler cannot select from the data set, or a
    /// number is out of range.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">The batch size or a number of the options is out of
    /// range.</exception>
    /// <exception cref="DatasetException">A sample cannot be read to know its class, which the sampler
    /// needs.</exception>
    public DataLoader(IDataset dataset, int batchSize, DataLoaderOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        options ??= new DataLoaderOptions();
        Check(dataset, batchSize, options);
        (Dataset, BatchSize, _options) = (dataset, batchSize, options with
        {
            Transforms = [.. options.Transforms],
            BatchTransforms = [.. options.BatchTransforms],
        });
        SampleReader reader = NewReader();
        (InputShapes, _targets) = (reader.Shapes, reader.Targets);
        foreach (BatchTransform transform in _options.BatchTransforms)
            transform.CheckInputs(InputShapes);
        _order = new EpochOrder(dataset, _options);
        LargestBatch = Math.Min(batchSize, _order.Count);
        int longest = InputShapes.Select(input => input.Shape.Length).Concat(_targets.Select(t => t.Length)).Max();
        if ((long)LargestBatch * longest > Array.MaxLength)
            throw new ArgumentOutOfRangeException(nameof(batchSize),
                Invariant($"A batch of {LargestBatch:N0} inputs of ")
                + $"{string.Join(" and ", InputShapes.Select(input => input.Shape))} "
                + Invariant($"is too large: the limit is {Array.MaxLength:N0} values. Use a smaller batch."));
        if (options.DropLast && _order.Count < batchSize)
            throw new ArgumentException(
                Invariant($"{_order.Count:N0} samples do not fill a batch of {batchSize:N0}, and DropLast omits a ")
                + "partial batch, so there is no batch. Use a smaller batch size, or DropLast: false.",
                nameof(options));
        BatchCount = options.DropLast ? _order.Count / batchSize : (_order.Count - 1) / batchSize + 1;
    }

    /// <summary>The data set.</summary>
    public IDataset Dataset { get; }

    /// <summary>The number of samples in a full batch.</summary>
    public int BatchSize { get; }

    /// <summary>The shapes of the inputs after the transforms.</summary>
    public IReadOnlyList<InputShape> InputShapes { get; }

    /// <summary>The descriptions of the targets.</summary>
    public IReadOnlyList<TargetDescription> Targets => _targets;

    /// <summary>The number of batches per epoch.</summary>
    public int BatchCount { get; }

    /// <summary>The number of samples per epoch.</summary>
    public int SampleCount => _options.DropLast ? BatchCount * BatchSize : _order.Count;

    /// <summary>The options for creating batches.</summary>
    public DataLoaderOptions Options => _options;

    /// <summary>The number of samples in the largest batch.</summary>
    internal int LargestBatch { get; }

    /// <summary>Returns the batches of one epoch.</summary>
    /// <param name="epoch">The epoch, from 1. Each has its own order and its own random transforms.</param>
    /// <param name="cancellation">Cancels the epoch before the next batch.</param>
    /// <inheritdoc cref="From"/>
    public IEnumerable<Batch> Epoch(int epoch, CancellationToken cancellation = default)
        => From(new LoaderPosition(epoch, 0), cancellation);

    /// <summary>Returns the batches from a position to the end of its epoch.</summary>
    /// <remarks>
    /// The workers start with the enumeration and have stopped when it ends or is disposed. The enumeration throws a
    /// <see cref="DatasetException"/> at a batch with a sample that cannot be read, and an
    /// <see cref="OperationCanceledException"/> if it is cancelled.
    /// </remarks>
    /// <param name="position">The position of the first batch.</param>
    /// <param name="cancellation">Cancels the epoch before the next batch.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no batch at this position.</exception>
    /// <exception cref="InvalidOperationException">The sampler selects samples that do not exist, or another number
    /// than it says. Thrown by the enumeration.</exception>
    /// <exception cref="ArgumentException">A transform does not accept its inputs any more, because the shape of the
    /// data set has changed. Thrown by the enumeration.</exception>
    /// <exception cref="DatasetException">A sample cannot be read. Thrown by the enumeration.</exception>
    /// <exception cref="OperationCanceledException">The enumeration was cancelled.</exception>
    public IEnumerable<Batch> From(LoaderPosition position, CancellationToken cancellation = default)
    {
        CheckPosition(position);
        return _options.Workers == 0 ? WhenAsked(position, cancellation) : Ahead(position, cancellation);
    }

    /// <summary>Returns one sample after the transforms, as in the first epoch.</summary>
    internal SampleMemory SampleOf(int sample)
    {
        var memory = new SampleMemory(1, InputShapes, _targets);
        NewReader().Read(sample, _options.Seed, LoaderPosition.Start.Epoch, memory, 0);
        return memory;
    }

    /// <summary>Throws if there is no batch at a position.</summary>
    internal void CheckPosition(LoaderPosition position)
    {
        if (position.Epoch < 1 || position.Batch < 0 || position.Batch >= BatchCount)
            throw new ArgumentOutOfRangeException(nameof(position),
                Invariant($"There is no batch {position.Batch:N0} of epoch {position.Epoch}: epochs start at 1, and ")
                + Invariant($"each has the batches 0 to {BatchCount - 1:N0}."));
    }

    /// <summary>Takes back the memory of a batch for reuse.</summary>
    internal void Recycle(SampleMemory memory) => _free.Add(memory);

    private static void Check(IDataset dataset, int batchSize, DataLoaderOptions options)
    {
        if (batchSize < 1)
            throw new ArgumentOutOfRangeException(nameof(batchSize),
                $"The batch size is {batchSize}; it must be at least 1.");
        if (dataset.Count < 1)
            throw new ArgumentException($"The data set has {dataset.Count} samples; it needs at least one.",
                nameof(dataset));
        SampleTensors.Check(dataset);
        if (options.Transforms is null || options.Transforms.Any(of => of?.Transform is null))
            throw new ArgumentException("A transform is null. Remove it.", nameof(options));
        if (options.Workers < 0)
            throw new ArgumentOutOfRangeException(nameof(options),
                $"The number of workers is {options.Workers}; it must be at least 0. With 0, batches are made on "
                    + "demand.");
        if (options.BatchesAhead < 1)
            throw new ArgumentOutOfRangeException(nameof(options),
                $"The number of batches ahead is {options.BatchesAhead}; it must be at least 1. To prepare no batches "
                    + "ahead, use 0 workers.");
        if (options.BatchTransforms is null || options.BatchTransforms.Contains(null!))
            throw new ArgumentException("A transform of batches is null. Remove it.", nameof(options));
        if (options.Shuffle && options.Sampler is not null)
            throw new ArgumentException($"The order of the samples comes from {options.Sampler.GetType().Name}, so "
                + "they cannot be shuffled as well. Omit Shuffle or the sampler.", nameof(options));
    }

    private IEnumerable<Batch> WhenAsked(LoaderPosition position, CancellationToken cancellation)
    {
        SampleReader reader = NewReader();
        EpochSamples order = _order.Of(position.Epoch);
        for (; position.Batch < BatchCount; position = position with { Batch = position.Batch + 1 })
        {
            long start = Stopwatch.GetTimestamp();
            Batch batch = Prepare(reader, order, position, cancellation);
            batch.Waited = Stopwatch.GetElapsedTime(start);
            yield return batch;
        }
    }

    // Worker w of W creates the remaining batches w, w + W, w + 2W…, so that each worker has an ordered queue.
    private IEnumerable<Batch> Ahead(LoaderPosition position, CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        CancellationToken stopped = stop.Token;
        EpochSamples order = _order.Of(position.Epoch);
        int first = position.Batch, count = Math.Min(_options.Workers, BatchCount - first);
        var queues = new Channel<Batch>[count];
        var workers = new Task[count];
        for (int w = 0; w < count; w++)
        {
            Channel<Batch> queue = Channel.CreateBounded<Batch>(
                new BoundedChannelOptions(_options.BatchesAhead) { SingleReader = true, SingleWriter = true });
            LoaderPosition start = position with { Batch = first + w };
            queues[w] = queue;
            workers[w] = Task.Run(() => Work(queue.Writer, order, start, count, stopped), CancellationToken.None);
        }
        try
        {
            for (int batch = first; batch < BatchCount; batch++)
            {
                int w = (batch - first) % count;
                yield return Take(queues[w].Reader, workers[w], cancellation);
            }
        }
        finally
        {
            stop.Cancel();
            // An exception of a worker has reached the caller, or belongs to a batch that was never requested.
            Task.WhenAll(workers).ContinueWith(all => all.Exception, TaskScheduler.Default)
                .Wait(CancellationToken.None);
            foreach (Channel<Batch> queue in queues)
            {
                while (queue.Reader.TryRead(out Batch? batch))
                    batch.Dispose();
            }
        }
    }

    private async Task Work(ChannelWriter<Batch> queue, EpochSamples order, LoaderPosition position, int stride,
        CancellationToken stopped)
    {
        try
        {
            SampleReader reader = NewReader();
            for (; position.Batch < BatchCount; position = position with { Batch = position.Batch + stride })
            {
                Batch batch = Prepare(reader, order, position, stopped);
                await queue.WriteAsync(batch, stopped).ConfigureAwait(false);
            }
        }
        finally
        {
            // The reader takes the batches that are ready, and then the exception from the task.
            queue.Complete();
        }
    }

    private static Batch Take(ChannelReader<Batch> queue, Task worker, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (queue.TryRead(out Batch? batch))
            return batch;
        long start = Stopwatch.GetTimestamp();
        if (queue.WaitToReadAsync(cancellation).AsTask().GetAwaiter().GetResult() && queue.TryRead(out batch))
        {
            batch.Waited = Stopwatch.GetElapsedTime(start);
            return batch;
        }
        worker.GetAwaiter().GetResult();
        throw new UnreachableException("A worker ended before it had prepared all of its batches.");
    }

    private Batch Prepare(SampleReader reader, EpochSamples order, LoaderPosition position,
        CancellationToken cancellation)
    {
        int first = position.Batch * BatchSize, count = Math.Min(BatchSize, _order.Count - first);
        if (!_free.TryTake(out SampleMemory? memory))
            memory = new SampleMemory(LargestBatch, InputShapes, _targets);
        (int own, int owned) = _options.BatchTransforms.Count > 0 ? (0, count) : _options.Share.Of(count);
        for (int i = 0; i < count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            int sample = order.SampleAt(first + i);
            memory.Samples[i] = sample;
            if (i < own || i >= own + owned)
                continue;
            reader.Read(sample, _options.Seed, position.Epoch, memory, i, order.RepeatAt(first + i));
        }
        if (_options.BatchTransforms.Count > 0)
            Mix(new BatchSamples(memory, count, InputShapes, _targets.Count), position);
        return new Batch(this, memory, position, count);
    }

    private void Mix(in BatchSamples samples, LoaderPosition position)
    {
        RandomSequence RandomOf(int node) => new(_options.Seed, node, position.Epoch, position.Batch);

        int chosen = RandomOf(RandomNodes.BatchChoice).Below(_options.BatchTransforms.Count);
        _options.BatchTransforms[chosen].Apply(samples, RandomOf(RandomNodes.BatchTransform + chosen));
    }

    private SampleReader NewReader()
        => new(Dataset, _options.Transforms, isSoft: _options.BatchTransforms.Count > 0);
}
