using ConvNet.Diagnostics;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>The double reference against finite differences: what every other test takes for the truth.</summary>
public sealed class FiniteDifferenceTests
{
    [TestCaseSource(typeof(LayerCases), nameof(LayerCases.All))]
    public void TheReferenceDerivesEveryLayerRightly(LayerCase layer)
    {
        GradientReport report = GradientCheck.Run(layer.Layer, layer.Inputs, [],
            new GradientCheckOptions { Modes = CheckModes.FiniteDifferences, BatchSize = layer.N });
        Contract.Reports.AssertPasses(report);
        Assert.That(report.Layers.SelectMany(l => l.Tensors).Sum(t => t.Flips), Is.Zero, "tensors without a smooth direction");
    }
}
