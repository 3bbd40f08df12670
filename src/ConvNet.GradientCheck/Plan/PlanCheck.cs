namespace ConvNet.GradientChecking;

/// <summary>Checks the plan that trains: every operation as the backend fused it, at the batch size and the number of
/// threads of training, through the passes of a training.</summary>
/// <remarks>
/// The passes are: a full batch; a smaller last batch whose gradients are added to the first; a step; inference after
/// it; the same on whole numbers that replace every tensor between two operations; a training step that keeps no
/// gradients, as <see cref="TrainingSpec.KeepGradients"/> asks; and an executable for inference only.
/// </remarks>
internal sealed class PlanCheck
{
    private readonly Graph _graph;
    private readonly TrainingSpec _spec;
    private readonly GradientCheckOptions _options;
    private readonly TruthCache _shared = new();

    /// <summary>Prepares the check.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="spec">The training.</param>
    /// <param name="options">The modes, the seed and the cancellation.</param>
    public PlanCheck(Graph graph, TrainingSpec spec, GradientCheckOptions options)
        => (_graph, _spec, _options) = (graph, spec, options);

    /// <summary>Checks the backends whose executables can be traced.</summary>
    /// <param name="backends">The backends.</param>
    /// <param name="reports">Receives the comparisons.</param>
    /// <param name="steps">Receives the steps of the plans and how often each was compared.</param>
    public void Check(IReadOnlyList<IBackend> backends, List<LayerReport> reports, List<PlanStep> steps)
    {
        var plans = new List<(IBackend Backend, PlanFacts Facts)>();
        foreach (IBackend backend in backends)
        {
            using IExecutable executable = backend.Compile(_graph, _spec);
            if (executable is ITraces traced)
                plans.Add((backend,
                    new PlanFacts(executable, traced.TrainingOperations, Replaces(executable, traced))));
        }
        WholeNumbers[] shared = Numbers([.. plans.Select(plan => plan.Facts).Where(facts => facts.Replaces)]);
        foreach ((IBackend backend, PlanFacts facts) in plans)
        {
            // Values that cannot be replaced grow from layer to layer, and even more with multiples of others.
            WholeNumbers[] numbers = facts.Replaces ? shared : Numbers([facts]);
            _options.Cancellation.ThrowIfCancellationRequested();
            var results = new PlanResults(BackendVariant.NameOf(backend));
            new PlanTraining(_graph, _spec, _options, backend, results, _shared).Run(numbers, _spec.KeepGradients);
            IReadOnlyList<LayerReport> own = results.Reports();
            if (own.Count > 0)
                reports.AddRange([.. own.SkipLast(1), BackendVariant.Completed(own[^1], backend)]);
            steps.AddRange(PlanCoverage.Of(backend, _graph, _spec, results));
        }
    }

    private WholeNumbers[] Numbers(PlanFacts[] facts) => [.. Enumerable.Range(0, facts.Length == 0 ? 0
        : WholeNumbers.NeedsSecondRun(_graph, facts) ? 2 : 1)
        .Select(run => new WholeNumbers(_graph, _spec.BatchSize, facts, run, _options.Seed))];

    // Whether a backend lets its tensors be replaced.
    private bool Replaces(IExecutable executable, ITraces traced)
    {
        bool replaces = false;
        foreach (Parameter parameter in _graph.Parameters)
            executable.Write(parameter, new float[parameter.Length]);
        traced.Trace = tensor =>
        {
            replaces |= tensor.IsReplaceable;
            return false;
        };
        executable.Forward(BatchValues.InOrder([.. _graph.Inputs
            .Select(input => new float[_spec.BatchSize * input.Shape.Length])]));
        return replaces;
    }
}
