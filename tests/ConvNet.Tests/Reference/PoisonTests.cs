using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>Memory that is used again: whatever stands in it before a step, nothing stale is read.</summary>
public sealed class PoisonTests
{
    [TestCaseSource(typeof(GraphCases), nameof(GraphCases.Patterns))]
    public void AnArenaFullOfNaNChangesNoBit(GraphCase graph)
        => Assert.That(Train(graph, poison: true), Is.EqualTo(Train(graph, poison: false)));

    private static float[] Train(GraphCase graph, bool poison)
    {
        using var backend = new ManagedBackend();
        using ManagedPlan<float> plan = backend.Compile<float>(graph.Build(),
            new TrainingSpec(graph.N, new MeanSquaredError(), new Sgd(momentum: 0.5f)) { InputGradient = true });
        plan.PoisonArena = poison;
        foreach (Parameter parameter in plan.Graph.Parameters)
            plan.Write(parameter, Samples.ParameterValues(parameter, 1));
        int pixels = plan.Graph.Input.Shape.Length;
        for (int step = 0; step < 3; step++)
            plan.TrainStep(Samples.Uniform(graph.N * pixels, step),
                Samples.Uniform(graph.N * plan.Graph.Output.Shape.Length, step), 0.1f);
        var gradient = new float[graph.N * pixels];
        plan.ReadInputGradient(gradient);
        return [.. gradient, .. plan.Graph.Parameters.SelectMany(p => Samples.Read(plan, p))];
    }
}
