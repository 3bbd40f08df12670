using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Models;

/// <summary>What the sweep over all networks checks, which the suite does not run.</summary>
public sealed class ModelSweepTests
{
    [TestCaseSource(typeof(BuiltInModels), nameof(BuiltInModels.Names))]
    public void ANetworkIsSmallAndKeepsItsLayers(string name)
    {
        Graph graph = ModelSweep.GraphOf(name), whole = BuiltInModels.Create(name);
        Assert.Multiple(() =>
        {
            Assert.That(KindsOf(graph), Is.EqualTo(KindsOf(whole)));
            Assert.That(graph.Parameters.Max(p => p.Length), Is.LessThanOrEqualTo(1 << 24));
            Assert.That(graph.LayerNodes.Where(node => node.Layer is MaxPool2d)
                .Select(node => node.InputShapes[0].Area), Is.All.GreaterThan(1),
                "a pool has something to choose from");
        });
    }

    // Small images need an adaptive pool in addition.
    private static IEnumerable<string> KindsOf(Graph graph) => graph.LayerNodes
        .Where(node => node.Layer is not AdaptiveAvgPool2d).Select(node => node.Layer!.Kind);
}
