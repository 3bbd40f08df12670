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
        foreach (PlanDescription plan in (PlanDescription[])[explaining.Explain(graph, spec),
            explaining.ExplainInference(graph, spec.BatchSize)])
        {
            foreach (PlannedLayer layer in plan.Layers)
            {
                foreach (PlannedCall call in layer.Calls)
                {
                    (long exact, long bounded) = Compared(plan, layer, call, results);
                    yield return new PlanStep(name, plan.Purpose, layer.Title, call.Pass, call.Kernel, call.Algorithm,
                        call.Threads, plan.BatchSize, exact, bounded);
                }
            }
        }
    }

    private static IExplains? Explaining(IBackend backend)
        => (backend is BackendVariant variant ? variant.First : backend) as IExplains;

    private static (long Exact, long Bounded) Compared(PlanDescription plan, PlannedLayer layer, PlannedCall call,
        PlanResults results) => call.Pass switch
        {
            PlannedPass.Preparation => results.CountOf(layer.Title, PlanPart.Inference),
            PlannedPass.Forward when plan.Purpose == "inference" => results.CountOf(layer.Title, PlanPart.Inference),
            PlannedPass.Forward => results.CountOf(layer.Title, PlanPart.Forward),
            PlannedPass.Backward => results.CountOf(layer.Title, PlanPart.Backward),
            _ => results.CountOf(layer.Title, PlanPart.Update),
        };
}
