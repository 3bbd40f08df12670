namespace ConvNet.GradientChecking;

/// <summary>An executable whose passes are traced.</summary>
internal sealed class TracedSession
{
    // A tensor is compared on this fraction of the terms that a layer by itself is compared on.
    private const long TermsPerSample = 32;

    private readonly ITraces _traced;
    private PlanOutline? _training, _inference;

    /// <summary>Prepares the traces of an executable that implements <see cref="ITraces"/>.</summary>
    public TracedSession(IExecutable executable) => (Executable, _traced) = (executable, (ITraces)executable);

    /// <summary>The executable.</summary>
    public IExecutable Executable { get; }

    /// <summary>An executable of the same backend for inference only; null if there is none.</summary>
    public IExecutable? Inferring { get; init; }

    /// <summary>The operations of the training pass.</summary>
    public PlanOutline Training => _training ??= new PlanOutline(_traced.TrainingOperations);

    /// <summary>Returns the name of the training operation that has a parameter.</summary>
    public string OperationOf(Parameter parameter)
        => $"{Training.Operations.First(operation => operation.Nodes.Contains(parameter.Node))}";

    /// <summary>The number of the next training pass.</summary>
    public long PassNumber => Executable.SaveState().Pass;

    /// <summary>Returns what a training pass is about to run on.</summary>
    public PassFacts Facts(Graph graph, TrainingBatch batch, Func<TracedOperation, TracedKind, float[]?>? replacement,
        TrainingSpec spec, FrozenParameters frozen, TruthCache cache, GradientCheckOptions options)
        => new(new TracedPass(Training, batch.ByNode(graph), batch.N, replacement), Parameters(graph),
            node => !frozen.Contains(node), PassNumber, spec.Seed, Algorithm, cache, options.Seed,
            options.MostTerms / TermsPerSample);

    /// <summary>Returns what an inference pass is about to run on.</summary>
    public PassFacts InferenceFacts(Graph graph, TrainingBatch batch,
        Func<TracedOperation, TracedKind, float[]?>? replacement, TruthCache cache, GradientCheckOptions options)
    {
        _inference ??= new PlanOutline(_traced.InferenceOperations);
        return new(new TracedPass(_inference, batch.ByNode(graph), batch.N, replacement), Parameters(graph),
            _ => false, 0, 0, Looser, cache, options.Seed,
            options.MostTerms / TermsPerSample);
    }

    /// <summary>Traces what an action runs.</summary>
    public void Trace(TracedPass pass, Action action)
    {
        _traced.Trace = pass.Show;
        try
        {
            action();
        }
        finally
        {
            _traced.Trace = null;
        }
    }

    // A copy: the pass may update buffers.
    private Func<Parameter, float[]> Parameters(Graph graph)
    {
        var values = new Dictionary<Parameter, float[]>();
        foreach (Parameter parameter in graph.Parameters)
        {
            values[parameter] = new float[parameter.Length];
            Executable.Read(parameter, values[parameter]);
        }
        return parameter => values[parameter];
    }

    // An executable that trains does not say with which algorithms it infers. They are those of its training pass or of
    // an executable for inference.
    private SumAlgorithm Looser(Node node, SumPass pass)
    {
        SumAlgorithm own = Algorithm(node, pass), other = Inferring is null ? own
            : LayerAlgorithms.Of(Inferring, node)[pass];
        return DeclaredAccuracy.Lambda(own, pass) >= DeclaredAccuracy.Lambda(other, pass) ? own : other;
    }

    private SumAlgorithm Algorithm(Node node, SumPass pass) => LayerAlgorithms.Of(Executable, node)[pass];
}
