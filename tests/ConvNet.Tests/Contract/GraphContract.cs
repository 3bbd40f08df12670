using ConvNet.Diagnostics;
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

    [TestCaseSource(typeof(GraphCases), nameof(GraphCases.All))]
    public void IsAsCloseToTheDoubleRunAsFloatCanBe(GraphCase graph) => Reports.AssertPasses(Check(graph, CheckModes.EndToEnd));

    [TestCaseSource(typeof(GraphCases), nameof(GraphCases.Networks))]
    public void EveryLayerOfANetworkIsRight(GraphCase graph) => Reports.AssertPasses(Check(graph, CheckModes.Exact | CheckModes.Real));

    private GradientReport Check(GraphCase graph, CheckModes modes)
    {
        using IBackend opened = backend.Open();
        return GradientCheck.Run(graph.Build(), [opened], new GradientCheckOptions { Modes = modes, BatchSize = graph.N });
    }
}
