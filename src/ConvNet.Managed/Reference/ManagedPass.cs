using System.Numerics;
using System.Runtime.CompilerServices;
using ConvNet.Planning;
using ConvNet.Profiling;

namespace ConvNet;

/// <summary>The memory of one kind of pass, training or inference, and the loops over the nodes.</summary>
internal sealed class ManagedPass<T>
    where T : unmanaged, IFloatingPointIeee754<T>
{
    private readonly Graph _graph;
    private readonly Liveness _liveness;
    private readonly bool[] _frozen;
    private readonly T[] _arena;
    private readonly Memory<T>[] _values, _lossGradients;
    private readonly Memory<T>[][] _edgeGradients, _gradientParts;
    private readonly IReadOnlyList<Objective> _objectives;
    private readonly NodeMemory<T>?[] _nodes;
    private NodeRunner<T> _runner = new();

    /// <summary>Plans the arena and assigns memory in it to every node.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="batchSize">The number of samples in a full batch.</param>
    /// <param name="spec">How the graph is trained; null for inference.</param>
    /// <param name="objectives">The outputs that have a loss; empty for inference.</param>
    /// <param name="frozen">The parameters that have no gradient.</param>
    /// <param name="parameters">The values of the parameters, by parameter index.</param>
    /// <param name="parameterGradients">The gradients of the parameters, by parameter index; empty for
    /// inference.</param>
    /// <param name="threads">The number of threads.</param>
    public ManagedPass(Graph graph, int batchSize, TrainingSpec? spec, IReadOnlyList<Objective> objectives,
        FrozenParameters frozen, T[][] parameters, Memory<T>[] parameterGradients, int threads)
    {
        _graph = graph;
        _liveness = new Liveness(graph, objectives, spec?.InputGradient ?? false, frozen);
        _frozen = [.. graph.Nodes.Select(frozen.Contains)];
        _objectives = objectives;
        int count = graph.Nodes.Count;
        (_values, _lossGradients, _edgeGradients, _gradientParts, _nodes) = (new Memory<T>[count],
            new Memory<T>[count], new Memory<T>[count][], new Memory<T>[count][], new NodeMemory<T>?[count]);
        var saved = new Memory<T>[count];
        List<Request> requests = Requests(batchSize, saved);
        Arena plan = ArenaOf(requests);
        if (plan.Length > Array.MaxLength)
            throw TooLarge(batchSize, plan.Length);
        try
        {
            _arena = new T[plan.Length];
        }
        catch (OutOfMemoryException error)
        {
            throw MemoryNeed.Of<T>(graph, batchSize).Exceeded(plan.Length * Unsafe.SizeOf<T>(), error);
        }
        for (int i = 0; i < requests.Count; i++)
            requests[i].Owner(_arena.AsMemory((int)plan.Offsets[i], (int)requests[i].Lifetime.Length));
        foreach (Node node in graph.Nodes)
            _gradientParts[node.Index] = [.. _edgeGradients[node.Index].Append(_lossGradients[node.Index])
                .Where(memory => !memory.IsEmpty)];
        var edgesTaken = new int[count];
        foreach (Node node in graph.Nodes)
        {
            if (node.Layer is null)
                continue;
            _nodes[node.Index] = MemoryOf(
                node, saved[node.Index], parameters, parameterGradients, edgesTaken, spec, threads);
        }
    }

    /// <summary>The output of a node.</summary>
    public Span<T> Value(Node node, int n) => _values[node.Index].Span[..(n * node.Shape.Length)];

    /// <summary>The gradient of an output that its loss computes.</summary>
    public Span<T> LossGradient(Node output, int n) => _lossGradients[output.Index].Span[..(n * output.Shape.Length)];

    /// <summary>The gradient of an input; empty if no loss depends on it.</summary>
    public ReadOnlySpan<T> InputGradient(Node input, int n)
        => _gradientParts[input.Index] is [var gradient, ..] ? gradient.Span[..(n * input.Shape.Length)] : [];

    /// <summary>Whether a recording is active.</summary>
    public bool IsRecorded => _runner is TimedRunner<T>;

    /// <summary>Fills the arena with NaN.</summary>
    public void Poison() => _arena.AsSpan().Fill(T.NaN);

    /// <summary>Runs the nodes in order.</summary>
    /// <param name="n">The number of samples.</param>
    /// <param name="training">Whether this is a training pass.</param>
    /// <param name="pass">The index of the training pass.</param>
    /// <param name="firstSample">The index of the first sample in the whole batch.</param>
    /// <param name="trace">Receives the output of each node; null if nothing is traced.</param>
    /// <param name="statistics">Adds up statistics of the batch; null if it is not shared.</param>
    public void Forward(int n, bool training, long pass, int firstSample, NodeTracing? trace,
        IStatisticsExchange? statistics = null)
    {
        foreach (Node node in _graph.Nodes)
        {
            if (node.Layer is null)
                continue;
            bool trains = training && !_frozen[node.Index];
            _runner.Forward(node, new Frame<T>(_nodes[node.Index]!, n, trains, pass, firstSample,
                statistics: statistics));
            trace?.ShowOutput(node, n, Value(node, n), isReplaceable: true, training);
        }
    }

    /// <summary>Runs the nodes in reverse order, starting from the gradients of the losses.</summary>
    /// <param name="n">The number of samples.</param>
    /// <param name="pass">The index of the training pass.</param>
    /// <param name="firstSample">The index of the first sample in the whole batch.</param>
    /// <param name="isFinal">Called for each parameter of a node when its gradient is final; null if no notification is
    /// needed.</param>
    /// <param name="trace">Receives the gradient of each node; null if nothing is traced.</param>
    /// <param name="statistics">Adds up statistics of the batch; null if it is not shared.</param>
    public void Backward(int n, long pass, int firstSample, Action<Parameter>? isFinal, NodeTracing? trace,
        IStatisticsExchange? statistics)
    {
        Frame<T> FrameOf(NodeMemory<T> memory)
            => new(memory, n, !_frozen[memory.NodeIndex], pass, firstSample, backward: true, statistics);
        for (int i = _graph.Nodes.Count - 1; i >= 0; i--)
        {
            Node node = _graph.Nodes[i];
            if (!_liveness.WantsGradient(node))
                continue;
            if (_gradientParts[node.Index].Length > 1)
                _runner.SumGradients(node, _gradientParts[node.Index], n * node.Shape.Length);
            if (node.Layer is null)
                continue;
            trace?.ShowGradient(node, n, _gradientParts[node.Index][0].Span[..(n * node.Shape.Length)],
                isReplaceable: true);
            _runner.Backward(node, _nodes[node.Index]!, FrameOf);
            for (int p = 0; isFinal is not null && p < node.Parameters.Count; p++)
                isFinal(node.Parameters[p]);
        }
    }

    /// <summary>Starts timing the nodes, the loss and the optimiser's step.</summary>
    /// <param name="batchSize">The number of samples in a full batch.</param>
    /// <param name="spec">How the graph is trained; null for inference.</param>
    /// <param name="threads">The maximum number of threads of a layer.</param>
    public Recording Record(int batchSize, TrainingSpec? spec, int threads)
    {
        if (IsRecorded)
            throw new InvalidOperationException("The executable is already being recorded. Dispose that recording "
                + "first.");
        var parts = new ManagedParts(_graph, _liveness, _objectives, batchSize, spec, threads, Unsafe.SizeOf<T>());
        var recording = new Recording(parts.All, () => _runner = new NodeRunner<T>());
        _runner = new TimedRunner<T>(parts, recording);
        return recording;
    }

    /// <inheritdoc cref="NodeRunner{T}.TimeLoss"/>
    public PartTimer TimeLoss() => _runner.TimeLoss();

    /// <inheritdoc cref="NodeRunner{T}.TimeUpdate"/>
    public PartTimer TimeUpdate() => _runner.TimeUpdate();

    /// <summary>A request for memory: its lifetime, and the action that receives it.</summary>
    private readonly record struct Request(Lifetime Lifetime, Action<Memory<T>> Owner);

    private static Arena ArenaOf(List<Request> requests)
        => Arena.Plan([.. requests.Select(request => request.Lifetime)], alignment: 16);

    private List<Request> Requests(int batchSize, Memory<T>[] saved)
    {
        var requests = new List<Request>();
        foreach (Node node in _graph.Nodes)
            Ask(node, batchSize, saved, (lifetime, owner) => requests.Add(new Request(lifetime, owner)));
        return requests;
    }

    private NotSupportedException TooLarge(int batchSize, long values)
    {
        var need = MemoryNeed.Of<T>(_graph, batchSize);
        int fits = batchSize;
        for (long length = values; fits > 0 && length > Array.MaxLength;)
        {
            fits = (int)Math.Min(fits - 1, (double)fits * Array.MaxLength / length);
            length = ArenaOf(Requests(fits, new Memory<T>[_values.Length])).Length;
        }
        return new NotSupportedException(
            $"The managed backend stores the values of a batch in one array of at most {Array.MaxLength:N0} values, "
            + $"but batches of {batchSize:N0} need {values:N0}. The largest tensor is {need.Largest}. "
            + (fits > 0 ? $"Batches of {fits:N0} fit." : "Not even a single sample fits."));
    }

    private void Ask(Node node, int batchSize, Memory<T>[] saved, Action<Lifetime, Action<Memory<T>>> request)
    {
        long length = (long)batchSize * node.Shape.Length;
        int index = node.Index;
        request(_liveness.Value(node, length), memory => _values[index] = memory);
        int savedLength = node.Layer?.SavedLength(batchSize, node.InputShapes) ?? 0;
        if (savedLength < 0)
        {
            throw new NotSupportedException(
                $"The managed backend cannot run {node}: it saves more than {int.MaxValue:N0} values.");
        }
        if (savedLength > 0)
            request(_liveness.Saved(node, savedLength), memory => saved[index] = memory);
        _edgeGradients[index] = new Memory<T>[node.Consumers.Count];
        // The loss writes the gradient of its output even if nothing before it is trained.
        if (_objectives.Any(objective => objective.Output == node))
            request(_liveness.LossGradient(node, length), memory => _lossGradients[index] = memory);
        if (!_liveness.WantsGradient(node))
            return;
        for (int edge = 0; edge < node.Consumers.Count; edge++)
        {
            int slot = edge;
            if (_liveness.ReachesLoss(node.Consumers[edge]))
                request(_liveness.EdgeGradient(node, edge, length), memory => _edgeGradients[index][slot] = memory);
        }
    }

    private NodeMemory<T> MemoryOf(
        Node node, Memory<T> saved, T[][] parameters, Memory<T>[] parameterGradients, int[] edgesTaken,
        TrainingSpec? spec, int threads)
    {
        return new NodeMemory<T>
        {
            Name = node.Place,
            Reads = node.Layer!.BackwardReads,
            XShapes = node.InputShapes,
            YShape = node.Shape,
            X = [.. node.Inputs.Select(input => _values[input.Index])],
            Y = _values[node.Index],
            W = [.. node.Parameters.Select(p => parameters[p.Index].AsMemory())],
            Saved = saved,
            DY = _gradientParts[node.Index].FirstOrDefault(),
            // Consumers are listed in the order of the nodes and of their inputs, so each input takes the next edge.
            DX = [.. node.Inputs.Select(input => _edgeGradients[input.Index][edgesTaken[input.Index]++])],
            DW = parameterGradients.Length == 0 ? [] : [.. node.Parameters.Select(p => parameterGradients[p.Index])],
            Seed = spec?.Seed ?? 0,
            NodeIndex = node.Index,
            Threads = threads,
        };
    }
}
