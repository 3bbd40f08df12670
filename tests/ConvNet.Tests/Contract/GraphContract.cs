using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>What every backend computes for layers together: fused, laid out and joined as its planner likes.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class GraphContract(BackendCase backend)
{
    [TestCaseSource(typeof(GraphCases), nameof(GraphCases.All))]
    public void IsExactDownToTheUpdatedWeights(GraphCase graph)
    {
        GradientReport report = Check(graph, CheckModes.Segments);
        Reports.AssertPasses(report);
        Assert.That(report.Layers, Is.Not.Empty);
    }

    [Test]
    public void TheFirstStepOfANetworkIsExactFromTheImagesThroughTheHingeLossToTheWeights()
    {
        GradientReport report = Check(GraphCases.Networks.Single(graph => graph.Name == "small"), CheckModes.Segments);
        Reports.AssertPasses(report);
        Assert.That((report.Layers.Count, report.Gaps.Count), Is.EqualTo((1, 0)), "one segment, no gap");
        Assert.That(report.Layers[0].Tensors.Select(t => t.Name),
            Is.SupersetOf(new[] { "y", "loss", "dx", "conv1.dw", "conv1.w after a step", "linear1.b after a step" }));
    }

    [TestCaseSource(typeof(GraphCases), nameof(GraphCases.All))]
    public void IsAsCloseToTheDoubleRunAsFloatCanBe(GraphCase graph)
        => Reports.AssertPasses(Check(graph, CheckModes.EndToEnd));

    [TestCaseSource(typeof(GraphCases), nameof(GraphCases.Networks))]
    public void EveryLayerOfANetworkIsRight(GraphCase graph)
        => Reports.AssertPasses(Check(graph, CheckModes.Exact | CheckModes.Real));

    [TestCaseSource(typeof(GraphCases), nameof(GraphCases.All))]
    public void EveryOperationOfItsPlanIsRight(GraphCase graph)
    {
        GradientReport report = Check(graph, CheckModes.PlanExact | CheckModes.PlanReal);
        Reports.AssertPasses(report);
        Assert.That(report.Steps.Where(step => !step.IsCovered), Is.Empty);
    }

    private GradientReport Check(GraphCase graph, CheckModes modes)
    {
        using IBackend opened = backend.Open();
        return GradientCheck.Run(graph.Build(), [opened], Reports.Options(modes, graph.N));
    }
}
