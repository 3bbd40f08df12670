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
        Graph built = graph.Build();
        using ManagedPlan<float> plan = backend.Compile<float>(built,
            new TrainingSpec(graph.N, GraphSamples.SquaredErrors(built), new Sgd(momentum: 0.5f))
            {
                InputGradient = true,
            });
        plan.PoisonArena = poison;
        foreach (Parameter parameter in built.Parameters)
            plan.Write(parameter, Samples.ParameterValues(parameter, 1));
        float[][] outputs = GraphSamples.Outputs(built, graph.N),
            gradients = GraphSamples.InputGradients(built, graph.N);
        for (int step = 0; step < 3; step++)
            plan.TrainStep(BatchValues.InOrder(GraphSamples.Inputs(built, graph.N, step)),
                Targets.Of(GraphSamples.Targets(built, graph.N, step)), 0.1f, BatchBuffers.InOrder(outputs));
        plan.ReadInputGradient(BatchBuffers.InOrder(gradients));
        return [.. outputs.Concat(gradients).SelectMany(values => values),
            .. built.Parameters.SelectMany(p => plan.Read(p))];
    }
}
