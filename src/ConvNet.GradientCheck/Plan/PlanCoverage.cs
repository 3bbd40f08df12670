namespace ConvNet.GradientChecking;

/// <summary>Relates the comparisons to the steps of the plan of a backend.</summary>
internal static class PlanCoverage
{
    /// <summary>Returns every step of the plans for training and for inference, and how often its results were
    /// compared.</summary>
    /// <remarks>A backend that does not explain its plans has a step for each pass of each operation.</remarks>
    /// <param name="backend">The backend.</param>
    /// <param name="graph">The graph.</param>
    /// <param name="spec">The training.</param>
    /// <param name="results">The comparisons.</param>
    public static IEnumerable<PlanStep> Of(IBackend backend, Graph graph, TrainingSpec spec, PlanResults results)
    {
        if (Explaining(backend) is not { } explaining)
            yield break;
        string name = BackendVariant.NameOf(backend);
        // Without parameters to train, there is nothing to update.
        bool trains = graph.Parameters.Any(FrozenParameters.Of(graph, spec).Trains);
        foreach (PlanDescription plan in (PlanDescription[])[explaining.Explain(graph, spec),
            explaining.ExplainInference(graph, spec.BatchSize)])
        {
            foreach (PlannedLayer layer in plan.Layers)
            {
                foreach (PlannedCall call in layer.Calls.Where(call => call.Pass != PlannedPass.Update || trains))
                {
                    (long exact, long bounded) = Compared(plan, layer, call, spec.KeepGradients, results);
                    yield return new PlanStep(name, plan.Purpose, layer.Title, call.Pass, call.Kernel, call.Algorithm,
                        call.Threads, plan.BatchSize, exact, bounded);
                }
            }
        }
    }

    // The losses and the optimiser step read nothing of a layer.
    private static bool IsOperation(PlannedLayer layer) => layer.Writes is not null;

    private static IExplains? Explaining(IBackend backend)
        => (backend is BackendVariant variant ? variant.First : backend) as IExplains;

    private static (long Exact, long Bounded) Compared(PlanDescription plan, PlannedLayer layer, PlannedCall call,
        bool keepsGradients, PlanResults results)
    {
        if (plan.Purpose == "inference")
            return IsOperation(layer) ? results.CountOf(layer.Title, PlanPart.Inference)
                : results.CountOf(PlanPart.Inference);
        PlanPart part = call.Pass switch
        {
            PlannedPass.Update => PlanPart.Update,
            _ when !IsOperation(layer) => PlanPart.Loss,
            PlannedPass.Backward => keepsGradients ? PlanPart.Backward : PlanPart.Inside,
            _ => PlanPart.Forward,
        };
        return IsOperation(layer) ? results.CountOf(layer.Title, part) : results.CountOf(part);
    }
}
