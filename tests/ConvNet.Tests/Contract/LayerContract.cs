using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>What every backend computes for one layer: output, gradients and buffers.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class LayerContract(BackendCase backend)
{
    [TestCaseSource(typeof(LayerCases), nameof(LayerCases.All))]
    public void IsExactOnWholeNumbers(LayerCase layer)
    {
        GradientReport report = Check(layer, CheckModes.Exact);
        Assert.That(report.Gaps, layer.Rounds ? Is.Not.Empty : Is.Empty, "exact mode");
        Reports.AssertPasses(report);
    }

    [TestCaseSource(typeof(LayerCases), nameof(LayerCases.All))]
    public void StaysWithinTheErrorBoundOnRealNumbers(LayerCase layer)
        => Reports.AssertPasses(Check(layer, CheckModes.Exact | CheckModes.Real));

    private GradientReport Check(LayerCase layer, CheckModes modes)
    {
        using IBackend opened = backend.Open();
        return GradientCheck.Run(layer.Layer, layer.Inputs, [opened], Reports.Options(modes, layer.N));
    }
}
