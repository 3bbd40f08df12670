using System.Numerics.Tensors;
using ConvNet.Data;

namespace ConvNet.Training;

/// <summary>Runs a network over several views of the same samples, and averages its outputs.</summary>
internal sealed class EvaluationViews
{
    private readonly IExecutable _executable;
    private readonly IReadOnlyList<DataLoader> _views;
    private readonly DataBinding[] _bindings;
    private readonly CancellationToken _cancellation;

    /// <summary>Checks the views.</summary>
    /// <param name="executable">The network.</param>
    /// <param name="views">The loaders.</param>
    /// <param name="cancellation">Cancels the run between two batches.</param>
    /// <exception cref="ArgumentException">They do not match the network, do not have every sample as it is, or have
    /// different samples.</exception>
    public EvaluationViews(IExecutable executable, IReadOnlyList<DataLoader> views, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(views);
        if (views.Count == 0)
            throw new ArgumentException("There is no view to evaluate. Pass a loader of the samples.", nameof(views));
        (_executable, _views, _cancellation) = (executable, [.. views], cancellation);
        Sharing = executable as ISharesBatches;
        _bindings = [.. views.Select(view => DataBinding.ForEvaluation(executable, view))];
        foreach (DataLoader view in views)
            CheckLoader(view);
        if (views.Count > 1)
            CheckTogether();
    }

    /// <summary>The outputs with targets.</summary>
    public IReadOnlyList<BoundOutput> Outputs => _bindings[0].Outputs;

    /// <summary>What several ranks share the batches through; null for one process.</summary>
    public ISharesBatches? Sharing { get; }

    /// <summary>Returns the samples of a batch that this process evaluates: all, or its share of them.</summary>
    /// <param name="n">The number of samples of the batch.</param>
    public (int First, int Count) Own(int n) => Sharing?.Share.Of(n) ?? (0, n);

    /// <summary>Computes the outputs of the own samples of one batch after the other. Each batch is that of the first
    /// view; it is valid until the next.</summary>
    public IEnumerable<Batch> Infer()
    {
        // Several ranks cancel before the same batch.
        CancellationToken own = Sharing is null ? _cancellation : default;
        IEnumerator<Batch>[] others =
            [.. _views.Skip(1).Select(view => view.From(LoaderPosition.Start, own).GetEnumerator())];
        try
        {
            foreach (Batch batch in _views[0].From(LoaderPosition.Start, own))
            {
                AgreeToGoOn();
                using (batch)
                {
                    Infer(batch, _bindings[0]);
                    for (int i = 0; i < others.Length; i++)
                        Add(others[i], _bindings[i + 1], batch);
                    yield return batch;
                }
            }
        }
        finally
        {
            foreach (IEnumerator<Batch> other in others)
                other.Dispose();
        }
    }

    /// <summary>The mean over the views of an output, for the current batch.</summary>
    /// <param name="index">The index in <see cref="Outputs"/>.</param>
    /// <param name="n">The number of own samples of the batch.</param>
    public ReadOnlySpan<float> Mean(int index, int n)
    {
        Span<float> sum = _bindings[0].Values(Outputs[index].OutputIndex, n);
        if (_views.Count > 1)
            TensorPrimitives.Divide(sum, _views.Count, sum);
        return sum;
    }

    private void Infer(Batch batch, DataBinding binding)
    {
        (int first, int count) = Own(batch.Count);
        IReadOnlyList<Node> inputs = _executable.Graph.Inputs;
        if (count > 0)
            _executable.Infer(batch.Inputs.InOrderOf(inputs, "input").Slice(first, count, inputs),
                binding.Buffers(count));
    }

    private void AgreeToGoOn()
    {
        double[] cancelled = [_cancellation.IsCancellationRequested ? 1 : 0];
        Sharing?.Sum(cancelled);
        if (cancelled[0] > 0)
            throw new OperationCanceledException("A rank was cancelled.", _cancellation);
    }

    private void Add(IEnumerator<Batch> other, DataBinding binding, Batch first)
    {
        other.MoveNext();
        using Batch batch = other.Current;
        if (!batch.Samples.SequenceEqual(first.Samples))
            throw new ArgumentException("The views have the samples in different orders. Use loaders that do not "
                + $"shuffle, or with the same {nameof(DataLoaderOptions.Seed)}.");
        Infer(batch, binding);
        int own = Own(batch.Count).Count;
        foreach (BoundOutput output in Outputs)
        {
            Span<float> sum = _bindings[0].Values(output.OutputIndex, own);
            TensorPrimitives.Add(sum, binding.Values(output.OutputIndex, own), sum);
        }
    }

    private static void CheckLoader(DataLoader data)
    {
        if (data.SampleCount < data.Dataset.Count)
            throw new ArgumentException("An evaluation counts every sample, but the loader drops the last "
                + $"{data.Dataset.Count - data.SampleCount:N0}. Use one without {nameof(data.Options.DropLast)}.",
                nameof(data));
        if (data.Options.Sampler is { } sampler)
            throw new ArgumentException("An evaluation counts every sample once, but the samples are selected by "
                + $"{sampler.GetType().Name}. Use a loader without a sampler.", nameof(data));
        if (data.Options.BatchTransforms is [var mixing, ..])
            throw new ArgumentException($"An evaluation counts samples as they are, but {mixing.GetType().Name} mixes "
                + "them. Use a loader without batch transforms.", nameof(data));
    }

    private void CheckTogether()
    {
        DataLoader first = _views[0];
        DataLoader? other = _views.FirstOrDefault(view => view.SampleCount != first.SampleCount
            || view.BatchSize != first.BatchSize);
        if (other is not null)
            throw new ArgumentException($"The views have {first.SampleCount:N0} samples in batches of "
                + $"{first.BatchSize:N0}, and {other.SampleCount:N0} in batches of {other.BatchSize:N0}. Use loaders "
                + "of the same samples.");
        if (Outputs.FirstOrDefault(output => output.Target.Kind == TargetKind.ClassesPerPixel) is { } pixels)
            throw new ArgumentException($"The output \"{pixels.Output.Name}\" has a class for each pixel, and a view "
                + "moves pixels away from their classes. Evaluate one view.");
    }
}
