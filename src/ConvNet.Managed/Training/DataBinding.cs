using ConvNet.Data;

namespace ConvNet.Training;

/// <summary>An output of a network for which a data set has targets.</summary>
/// <param name="Output">The node of the output.</param>
/// <param name="OutputIndex">Its index in the graph's outputs.</param>
/// <param name="TargetIndex">The index of the target in the data set.</param>
/// <param name="Target">The description of the target.</param>
/// <param name="HasLoss">Whether the output has a loss.</param>
internal sealed record BoundOutput(Node Output, int OutputIndex, int TargetIndex, TargetDescription Target,
    bool HasLoss)
{
    /// <summary>Whether the target is classes, so that predictions are correct or not.</summary>
    public bool IsClassified => Target.Kind != TargetKind.Values;
}

/// <summary>The inputs and outputs of a network that a data set's inputs and targets belong to.</summary>
internal sealed class DataBinding
{
    private readonly float[][] _values;
    private readonly int[] _lossTargets;
    private readonly IReadOnlyList<Node> _outputs;

    private DataBinding(Graph graph, IReadOnlyList<BoundOutput> bound, int largestBatch, IReadOnlySet<Node> read)
    {
        Outputs = bound;
        _outputs = graph.Outputs;
        _values = [.. _outputs.Select(output => new float[read.Contains(output) ? largestBatch * output.Shape.Length
            : 0])];
        _lossTargets = [.. bound.Where(each => each.HasLoss).Select(each => each.TargetIndex)];
    }

    /// <summary>The outputs with targets, in the order of the graph's outputs.</summary>
    public IReadOnlyList<BoundOutput> Outputs { get; }

    /// <summary>Binds a data set to a network for an evaluation.</summary>
    /// <exception cref="ArgumentException">They do not fit.</exception>
    public static DataBinding ForEvaluation(IExecutable executable, DataLoader data)
    {
        CheckShare(executable, data, "evaluates");
        IReadOnlyList<BoundOutput> outputs = Bind(executable, data);
        CheckTargets(executable.Graph, outputs);
        return new(executable.Graph, outputs, data.LargestBatch, outputs.Select(bound => bound.Output).ToHashSet());
    }

    /// <summary>Binds a data set to a network for training: each output with a loss has a target that the loss
    /// takes.</summary>
    /// <exception cref="ArgumentException">They do not fit.</exception>
    public static DataBinding ForTraining(IExecutable executable, DataLoader data)
    {
        CheckShare(executable, data, "trains");
        IReadOnlyList<BoundOutput> outputs = Bind(executable, data);
        foreach ((Node output, Loss loss, _) in executable.Spec!.Losses.For(executable.Graph))
        {
            TargetDescription target = outputs.FirstOrDefault(bound => bound.Output == output)?.Target
                ?? throw new ArgumentException($"The output \"{output.Name}\" has a loss, but the data set has no "
                    + "target "
                    + $"for it; it has {string.Join(", ", data.Targets.Select(each => each.Output ?? "one"))}.",
                    nameof(data));
            if (target.Kind == TargetKind.Values && loss.Takes == TargetKind.Classes
                && data.Options.BatchTransforms is [var mixing, ..])
                throw new ArgumentException($"{mixing.GetType().Name} mixes classes, but {loss.GetType().Name}"
                    + $"{PlaceOf(executable.Graph, output)} takes {Words(loss.Takes)}. Use "
                    + $"{nameof(SoftmaxCrossEntropy)}({nameof(SoftmaxCrossEntropy.SoftTargets)}: true).",
                    nameof(data));
            if (target.Kind != loss.Takes)
                throw new ArgumentException($"{loss.GetType().Name}{PlaceOf(executable.Graph, output)} takes "
                    + $"{Words(loss.Takes)}, but the data set has {Words(target.Kind)}. Use another loss or other "
                    + "targets.", nameof(data));
            if (target.IgnoredClass is { } ignored && ignored != loss.IgnoredClass)
                throw new ArgumentException($"The data set has labels {ignored}{PlaceOf(executable.Graph, output)} "
                    + $"that have no class, but {loss.GetType().Name} does not ignore them. Use "
                    + $"{nameof(SoftmaxCrossEntropy)}({nameof(SoftmaxCrossEntropy.IgnoreClass)}: {ignored}).",
                    nameof(data));
        }
        CheckTargets(executable.Graph, outputs);
        return new(executable.Graph, outputs, data.LargestBatch,
            outputs.Where(bound => bound.IsClassified).Select(bound => bound.Output).ToHashSet());
    }

    /// <summary>The memory for the outputs of <paramref name="n"/> samples that are read.</summary>
    public BatchBuffers Buffers(int n)
    {
        if (_outputs.Count == 1)
            return BatchBuffers.Of(Values(0, n));
        (string, Memory<float>)[] read = [.. from index in Enumerable.Range(0, _outputs.Count)
                                             where _values[index].Length > 0
                                             select (_outputs[index].Name, MemoryOf(index, n))];
        return read.Length == 0 ? default : BatchBuffers.Of(read);
    }

    /// <summary>The values of an output that have been read.</summary>
    /// <param name="output">The index in the graph's outputs.</param>
    /// <param name="n">The number of samples.</param>
    public Span<float> Values(int output, int n) => MemoryOf(output, n).Span;

    /// <summary>The targets of the outputs that have a loss.</summary>
    public Targets TargetsOf(Batch batch) => batch.Memory.Targets(batch.Count, _lossTargets);

    private Memory<float> MemoryOf(int output, int n) => _values[output].Length == 0 ? default
        : _values[output].AsMemory(0, n * _outputs[output].Shape.Length);

    // A loader of whole batches reads more than is needed.
    private static void CheckShare(IExecutable executable, DataLoader data, string does)
    {
        BatchShare own = (executable as ISharesBatches)?.Share ?? BatchShare.Whole;
        if (data.Options.Share != own && data.Options.Share != BatchShare.Whole)
            throw new ArgumentException($"The loader reads the share of {data.Options.Share}, but the network {does} "
                + $"that of {own}. Use the {nameof(DataLoaderOptions.Share)} of the network for the loader.",
                nameof(data));
    }

    private static List<BoundOutput> Bind(IExecutable executable, DataLoader data)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(data);
        Graph graph = executable.Graph;
        CheckInputs(graph, data);
        if (data.Targets.Count == 0)
            throw new ArgumentException("The data set has no targets. A network is trained and evaluated with samples "
                + "that have some.", nameof(data));
        if (data.LargestBatch > executable.BatchSize)
            throw new ArgumentException($"The loader makes batches of {data.LargestBatch:N0}, but the network was "
                + $"compiled for {executable.BatchSize:N0}. Use the same batch size for both.", nameof(data));
        Node[] withLoss = executable.Spec is { } spec ? [.. spec.Losses.For(graph).Select(of => of.Output)] : [];
        var bound = new List<BoundOutput>();
        for (int i = 0; i < data.Targets.Count; i++)
        {
            TargetDescription target = data.Targets[i];
            int index = OutputOf(graph, withLoss, target);
            Node output = graph.Outputs[index];
            bound.Add(new BoundOutput(output, index, i, target, withLoss.Contains(output)));
        }
        return [.. bound.OrderBy(each => each.OutputIndex)];
    }

    private static void CheckInputs(Graph graph, DataLoader data)
    {
        bool named = graph.Inputs.Count > 1 || data.InputShapes.Count > 1;
        foreach (InputShape given in data.InputShapes)
        {
            Node input = given.Name is { } name
                ? graph.Inputs[NamedTensors.IndexOf(name, graph.Inputs, "input of the network")]
                : graph.Inputs.Count == 1 ? graph.Inputs[0]
                : throw new ArgumentException($"The network has {graph.Inputs.Count} inputs, "
                    + $"{string.Join(", ", graph.Inputs.Select(node => node.Name))}, but the data set has one without "
                    + "a name. Give the data set an input of each name.", nameof(data));
            if (input.Shape != given.Shape)
                throw new ArgumentException($"The network takes {input.Shape} images"
                    + $"{(named ? $" at \"{input.Name}\"" : "")}, but the data set has {given.Shape}. Create the graph "
                    + "for the shape of the data set.", nameof(data));
        }
        if (graph.Inputs.FirstOrDefault(node => data.InputShapes.Count > 0 && named
            && data.InputShapes.All(given => given.Name != node.Name)) is { } missing)
            throw new ArgumentException($"The network has an input \"{missing.Name}\", but the data set has no input "
                + "of that "
                + $"name; it has {string.Join(", ", data.InputShapes.Select(given => given.Name))}.", nameof(data));
    }

    private static int OutputOf(Graph graph, Node[] withLoss, TargetDescription target)
    {
        string? name = target.Output ?? (withLoss is [var only] ? only.Name : null);
        if (graph.Outputs.Count == 1 && target.Output is null)
            return 0;
        if (name is not null)
            return NamedTensors.IndexOf(name, graph.Outputs, "output of the network");
        string outputs = string.Join(", ", graph.Outputs.Select(node => node.Name));
        throw new ArgumentException($"The network has {graph.Outputs.Count} outputs, {outputs}, but the data set has a "
            + "target without a name. Give each target the name of its output, as in "
            + $"(\"{graph.Outputs[0].Name}\", {nameof(TargetDescription)}.{nameof(TargetDescription.OfClasses)}(10)).");
    }

    private static void CheckTargets(Graph graph, IReadOnlyList<BoundOutput> outputs)
    {
        foreach (BoundOutput bound in outputs)
            CheckTarget(graph, bound.Output, bound.Target);
    }

    private static void CheckTarget(Graph graph, Node output, TargetDescription target)
    {
        Shape shape = output.Shape;
        string place = PlaceOf(graph, output);
        if (target.Kind == TargetKind.Values && shape.Length != target.Length)
            throw new ArgumentException($"The network has {shape.Length:N0} values{place} for each sample, but the "
                + $"data set {target.Length:N0} targets. Use one target for each value.");
        if (target.Kind == TargetKind.ClassesPerPixel && shape.Area != target.Length)
            throw new ArgumentException($"The network has maps of {shape.H}×{shape.W}{place}, but the data set "
                + $"{target.Length:N0} pixels. Use one class for each pixel.");
        int scores = target.Kind == TargetKind.ClassesPerPixel ? shape.C : shape.Length;
        if (target.Kind != TargetKind.Values && scores < target.Classes)
            throw new ArgumentException($"The network has {scores} outputs{place}, but the data set {target.Classes} "
                + $"classes. End the graph with {target.Classes} {(shape.Area > 1 ? "channels" : "outputs")}.");
    }

    private static string PlaceOf(Graph graph, Node output)
        => graph.Outputs.Count > 1 ? $" at \"{output.Name}\"" : "";

    private static string Words(TargetKind kind) => kind switch
    {
        TargetKind.Classes => "one class for each sample",
        TargetKind.ClassesPerPixel => "one class for each pixel",
        _ => "values",
    };
}
