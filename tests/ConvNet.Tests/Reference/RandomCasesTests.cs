using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>The generator of random cases: reproducible, varied, and of bounded size.</summary>
public sealed class RandomCasesTests
{
    private const int Count = 2_000;

    private static readonly LayerGradientCase[] Layers = [.. Seeds(Count).Select(seed => RandomCases.Layer(seed))];
    private static readonly GraphGradientCase[] Graphs = [.. Seeds(500).Select(RandomCases.Graph)];

    [Test]
    public void TheSameSeedGivesTheSameCase()
    {
        Assert.That(Layers.Take(100).Select(layer => $"{layer}"),
            Is.EqualTo(Seeds(100).Select(seed => $"{RandomCases.Layer(seed)}")));
        Assert.That(Graphs.Take(100).Select(graph => $"{graph}"),
            Is.EqualTo(Seeds(100).Select(seed => $"{RandomCases.Graph(seed)}")));
        Assert.That(Graphs.Select(graph => $"{graph}").Distinct().Count(), Is.EqualTo(Graphs.Length),
            "and another seed another one");
    }

    [Test]
    public void EveryKindOfLayerComesUpAloneAndInGraphs()
    {
        Type[] kinds =
            [.. typeof(Layer).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(Layer)) && !type.IsAbstract)];
        Assert.That(Layers.Select(made => made.Layer.GetType()).Distinct(), Is.EquivalentTo(kinds));
        Assert.That(Graphs.SelectMany(made => made.Graph.LayerNodes).Select(node => node.Layer!.GetType())
            .Distinct(), Is.EquivalentTo(kinds));
    }

    [Test]
    public void EverySpecialityOfAConvolutionComesUp()
    {
        (Conv2d Layer, Shape X)[] convolutions =
            [.. Layers.Where(made => made.Layer is Conv2d).Select(made => ((Conv2d)made.Layer, made.Inputs[0]))];
        var seen = new Dictionary<string, int>
        {
            ["grouped"] = Of((layer, x) => layer.Groups > 1 && layer.Groups < x.C),
            ["depthwise"] = Of((layer, x) => layer.Groups > 1 && layer.Groups == x.C),
            ["dilated"] = Of((layer, _) => layer.Window.Dilation != 1),
            ["strided"] = Of((layer, _) => layer.Window.Stride != 1),
            ["stride of rows below that of columns"] = Of((layer, _) => layer.Window.Stride.H < layer.Window.Stride.W),
            ["stride of rows above that of columns"] = Of((layer, _) => layer.Window.Stride.H > layer.Window.Stride.W),
            ["kernel of 5 and more with a stride"] = Of((layer, _)
                => Math.Max(layer.Window.Kernel.H, layer.Window.Kernel.W) >= 5 && layer.Window.Stride != 1),
            ["few channels per group"] = Of((layer, x) => layer.Groups > 1 && layer.Groups < x.C
                && x.C / layer.Groups < 16),
            ["one column with a stride"] = Of((layer, x) => x.W == 1 && layer.Window.Stride.H > 1),
            ["stride beyond the kernel"] = Of((layer, _) => layer.Window.Stride.H > layer.Window.Kernel.H),
            ["padded"] = Of((layer, _) => layer.Window.Padding != 0),
            ["padding beyond the kernel"] = Of((layer, _) => layer.Window.Padding.Top >= layer.Window.Kernel.H),
            ["padded on one side more"] = Of((layer, _) => !layer.Window.Padding.IsSymmetric),
            ["not square"] = Of((layer, _) => layer.Window.Kernel.H != layer.Window.Kernel.W),
            ["rows unlike columns"] = Of((_, x) => x.H != x.W),
            ["rounded down"] = Of(
                (layer, x) => layer.Window.Rounding == Rounding.Floor && layer.Explain(x).Contains("rounded down")),
            ["without bias"] = Of((layer, _) => !layer.Bias),
            ["one channel"] = Of((_, x) => x.C == 1),
            ["more than a vector"] = Of((_, x) => x.C is 17 or 33),
        };
        int Of(Func<Conv2d, Shape, bool> special) => convolutions.Count(made => special(made.Layer, made.X));
        Assert.That(seen.Where(pair => pair.Value < convolutions.Length / 100), Is.Empty,
            $"of {convolutions.Length} convolutions");
    }

    [Test]
    public void EverySpecialityOfAPoolComesUp()
    {
        (Pool2d Layer, Shape X)[] pools = [.. Seeds(10 * Count).Select(seed => RandomCases.Layer(seed))
            .Where(made => made.Layer is Pool2d).Select(made => ((Pool2d)made.Layer, made.Inputs[0]))];
        // Of a window that is not rounded up there would be one less.
        static bool IsRoundedUp(Pool2d layer, Shape x) => layer.Window.Rounding == Rounding.Ceiling
            && layer.Infer(x).H > (layer.Window with { Rounding = Rounding.Floor }).Output(x).H;
        Assert.Multiple(() =>
        {
            Assert.That(pools.Count(made => !made.Layer.Window.Padding.IsSymmetric), Is.GreaterThan(pools.Length / 20));
            Assert.That(pools.Count(made => IsRoundedUp(made.Layer, made.X)), Is.GreaterThan(pools.Length / 20));
            Assert.That(pools.Count(made => made.Layer is AvgPool2d { CountIncludePad: false }),
                Is.GreaterThan(pools.Length / 20));
            Assert.That(pools.Count(made => made.Layer is AvgPool2d { CountIncludePad: true }
                && IsRoundedUp(made.Layer, made.X)), Is.GreaterThan(pools.Length / 50), "divisors beyond the padding");
            Assert.That(Layers.Count(made => made.Layer is MaxPool2d && made.Options.LargestInteger == 1),
                Is.Positive, "ties");
        });
    }

    [Test]
    public void EverySpecialityOfALossComesUp()
    {
        LossGradientCase[] losses = [.. Seeds(Count).Select(RandomCases.Loss)];
        Assert.Multiple(() =>
        {
            Assert.That(losses.Select(made => made.Loss.GetType()).Distinct(),
                Is.EquivalentTo(Loss.BuiltIn.Declarations.Select(kind => Loss.BuiltIn.Make(kind.Kind).GetType())));
            Assert.That(losses.Count(made => made.Classes > 256), Is.GreaterThan(Count / 5));
            Assert.That(losses.Count(made => made is { Loss: MulticlassSvm { Margin: 1 }, Options.LargestInteger: 1 }),
                Is.GreaterThan(Count / 250), "scores at the hinge");
            Assert.That(losses.Count(made => made.Loss is SoftmaxCrossEntropy { PerPixel: true }),
                Is.GreaterThan(Count / 100));
        });
    }

    [Test]
    public void GraphsBranchJoinAndEndInScoresOrMaps()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Graphs.Count(made => made.Graph.Nodes.Any(node => node.Consumers.Distinct().Count() > 2)),
                Is.GreaterThan(20), "read by three");
            Assert.That(Graphs.Count(made => made.Graph.Nodes.Any(node => node.Inputs.Count > 2)), Is.GreaterThan(20),
                "sums of three");
            Assert.That(
                Graphs.Count(made => made.Graph.Nodes.Any(node => node.Inputs.Count > node.Inputs.Distinct().Count())),
                Is.GreaterThan(20), "read twice by one");
            Assert.That(Graphs.Count(made => made.Graph.Outputs[0].Shape.IsVector), Is.InRange(100, 450));
            Assert.That(Graphs.Count(made => made.Graph.Inputs.Count > 1), Is.InRange(50, 250), "two inputs");
            Assert.That(Graphs.Count(made => made.Graph.Outputs.Count > 1), Is.InRange(50, 300), "several outputs");
            Assert.That(Graphs.Count(made => made.Graph.Outputs.Any(output => output.Consumers.Count > 0)),
                Is.GreaterThan(20), "an output that other layers read");
            Assert.That(Graphs.Max(made => made.Graph.Nodes.Count), Is.GreaterThan(20));
            Assert.That(Graphs.Min(made => made.Graph.Nodes.Count), Is.LessThan(4));
        });
    }

    [Test]
    public void EveryGraphCompiles()
    {
        using var managed = new ManagedBackend(threads: 1);
        foreach (GraphGradientCase made in Graphs)
        {
            using IExecutable executable = managed.CompileInference(made.Graph, made.Options.BatchSize);
            Assert.That(made.Graph.Nodes.Sum(node => node.Layer?.MultiplyAdds(Shapes(node)) ?? 0)
                * made.Options.BatchSize, Is.LessThan(20_000_000), $"{made}");
        }
        static Shape[] Shapes(Node node) => [.. node.Inputs.Select(input => input.Shape)];
    }

    [Test]
    public void LongSumsComeUpInTheShareThatIsAskedForAndStayAffordable()
    {
        LayerGradientCase[] cases = [.. Seeds(Count).Select(seed => RandomCases.Layer(seed, longShare: 0.1))];
        int longs = cases.Count(made => made.LongestSum > RandomCases.LongSum);
        Assert.That(longs, Is.InRange(Count / 10 - 60, Count / 10 + 60), "4 standard deviations and more");
        Assert.That(Layers.Count(made => made.LongestSum > RandomCases.LongSum), Is.Zero, "none unless asked for");
        Assert.That(cases.Max(Work), Is.LessThan(6_000_000));
        Assert.That(Layers.Max(Work), Is.LessThan(3_000_000));
        string[] kinds = [.. cases.Where(made => made.LongestSum > RandomCases.LongSum).Select(made => made.Layer.Kind)
            .Distinct()];
        Assert.That(kinds, Is.EquivalentTo(LayerSet.BuiltIn.Declarations.Where(kind => kind.LongSums.Count > 0)
            .Select(kind => kind.Kind)), "every kind that sums");
    }

    [TestCase(64L, 9, 5L * 9)]
    [TestCase(5L, 300, 5L * 9)]
    public void TheLongestSumIsOfTheOutputOrAGradient(long positions, int filters, long forward)
    {
        var made = new LayerGradientCase(new Conv2d(filters, 3, padding: 1), [new Shape(5, 1, (int)positions)],
            new GradientCheckOptions { BatchSize = 1 });
        Assert.That(made.LongestSum, Is.EqualTo(Math.Max(Math.Max(positions, forward), 9L * filters)));
    }

    private static IEnumerable<ulong> Seeds(int count) => Enumerable.Range(1, count).Select(seed => (ulong)seed);

    private static long Work(LayerGradientCase made) => made.Options.BatchSize
        * made.Layer.MultiplyAdds([.. made.Inputs]);
}
