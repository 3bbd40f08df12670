using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>How cases are made smaller, with failures made up.</summary>
public sealed class ShrinkerTests
{
    [Test]
    public void EveryCandidateOfALayerIsSmallerAndFits([Range(1, 60)] int seed)
        => EveryCandidateIsSmallerAndCompiles(RandomCases.Layer((ulong)seed));

    [Test]
    public void EveryCandidateOfAGraphIsSmallerAndCompiles([Range(1, 25)] int seed)
        => EveryCandidateIsSmallerAndCompiles(RandomCases.Graph((ulong)seed));

    [Test]
    public void AConvolutionShrinksToWhatTheFailureNeeds()
    {
        var made = new LayerGradientCase(
            new Conv2d(18, (5, 7), (2, 3), (2, 1), (1, 2), groups: 6, rounding: Rounding.Floor),
            [new Shape(12, 19, 23)],
            new GradientCheckOptions { BatchSize = 7, Seed = 99 });
        Predicate<GradientCase> wide = candidate
            => candidate is LayerGradientCase { Layer: Conv2d conv, Inputs: [{ W: >= 6 }], Options.BatchSize: >= 3 }
            && conv is { Groups: >= 2, Window: { Kernel.W: >= 2, Stride.W: >= 3 } };
        (GradientCase least, int runs, bool limited) = Shrinker.Shrink(made, wide);
        Assert.That(least, Is.InstanceOf<LayerGradientCase>());
        Assert.Multiple(() =>
        {
            Assert.That(((LayerGradientCase)least).Layer,
                Is.EqualTo(new Conv2d(2, (1, 2), (1, 3), groups: 2, bias: false, rounding: Rounding.Floor))
                .Or.EqualTo(new Conv2d(2, (1, 2), (1, 3), groups: 2, bias: false)));
            Assert.That(((LayerGradientCase)least).Inputs.Single().C, Is.EqualTo(2));
            Assert.That(((LayerGradientCase)least).Inputs.Single().H, Is.EqualTo(1));
            Assert.That(least.Options.BatchSize, Is.EqualTo(3));
            Assert.That((least.Options.LargestInteger, least.Options.Seed), Is.EqualTo((1, 1ul)));
            Assert.That(runs, Is.LessThan(200));
            Assert.That(limited, Is.False);
            Assert.That(Shrinker.Candidates(least).Any(wide.Invoke), Is.False, "nothing smaller fails");
            Assert.That($"{Shrinker.Shrink(made, wide).Case}", Is.EqualTo($"{least}"), "again the same");
        });
    }

    [Test]
    public void AGraphShrinksToTheLayersThatTheFailureNeeds([Values(3u, 8u, 17u)] uint seed)
    {
        // A sum of two convolutions, behind layers that have nothing to do with it and in front of others.
        var graph = new Graph(new Shape(3, 9, 7));
        Node x = graph.Append(graph.Input, new Conv2d(17, 3, padding: 1), new BatchNorm2d(), new Relu(),
            new MaxPool2d(2, rounding: Rounding.Floor));
        Node a = graph.Append(x, new Conv2d(8, 3, padding: 1), new Relu(), new Conv2d(5, 1)),
            b = graph.Add(new Conv2d(5, 3, padding: 1), x);
        graph.Append(graph.Add(new Add(), a, b), new Relu(), new Conv2d(3, 1), new Flatten(), new Linear(10));
        var made = new GraphGradientCase(graph, new GradientCheckOptions { Seed = seed, Modes = CheckModes.Segments });
        static bool HasTheSum(GradientCase candidate) => candidate is GraphGradientCase { Graph: var graph }
            && graph.Nodes.Any(node => node.Layer is Add && node.Inputs.Count(input => input.Layer is Conv2d) == 2
                && node.Inputs.Distinct().Count() == 2);
        var least = (GraphGradientCase)Shrinker.Shrink(made, HasTheSum).Case;
        Assert.Multiple(() =>
        {
            Assert.That(least.Graph.LayerNodes.Select(node => node.Layer!.Kind),
                Is.EqualTo((string[])["conv", "conv", "add"]));
            Assert.That(least.Graph.Nodes.Select(node => node.Shape).Distinct(),
                Is.EqualTo((Shape[])[new Shape(1, 1, 1)]));
            Assert.That(least.Graph.LayerNodes.Select(node => node.Layer).OfType<Conv2d>(),
                Is.All.EqualTo(new Conv2d(1, 1, bias: false)));
            Assert.That(least.Options,
                Is.EqualTo(new GradientCheckOptions
                {
                    Modes = CheckModes.Segments,
                    BatchSize = 1,
                    LargestInteger = 1
                }));
        });
    }

    [Test]
    public void ACaseOfASingleLayerIsPreferredToAGraph()
    {
        var made = RandomCases.Graph(4);
        GradientCase least =
            Shrinker.Shrink(made, candidate => candidate.ToString()!.Contains("Conv2d", StringComparison.Ordinal)).Case;
        Assert.That(least, Is.InstanceOf<LayerGradientCase>());
        Assert.That(((LayerGradientCase)least).Layer, Is.EqualTo(new Conv2d(1, 1, bias: false)));
        Assert.That(((LayerGradientCase)least).Inputs, Is.EqualTo((Shape[])[new Shape(1, 1, 1)]));
    }

    [Test]
    public void TheRunsAreBounded([Values(0, 1, 7)] int most)
    {
        int asked = 0;
        (GradientCase least, int runs, bool limited)
            = Shrinker.Shrink(RandomCases.Graph(4), candidate => ++asked > 0, most);
        Assert.That((asked, runs, limited), Is.EqualTo((most, most, true)));
        Assert.That(most > 0 || least is GraphGradientCase, Is.True);
    }

    // The whole network may cost too much where single layers of it do not.
    [Test]
    public void TheWorkIsBounded()
    {
        var options = new GradientCheckOptions { BatchSize = 2, Modes = CheckModes.Segments };
        GradientCase made = new GraphGradientCase(Sequential.Of(new Shape(3, 8, 8), new Conv2d(4, 3, padding: 1),
            new Relu(), new Conv2d(4, 3, padding: 1)), options);
        long whole = 2 * (64 * 4 * 9 * (3 + 4) + 3 * 64 * 4) + 4 * 9 * (3 + 4) + 2 * 4, left = whole, tried = 0;
        Assert.That(Shrinker.WorkOf(made), Is.EqualTo(whole));
        (_, int runs, bool limited) = Shrinker.Shrink(made, candidate =>
        {
            (left, tried) = (left - Shrinker.WorkOf(candidate), tried + 1);
            return false;
        }, mostWork: whole);
        (_, int all, bool free) = Shrinker.Shrink(made, _ => false);
        Assert.Multiple(() =>
        {
            Assert.That(left, Is.InRange(0, whole - 1));
            Assert.That(runs, Is.EqualTo(tried).And.InRange(1, all - 1));
            Assert.That((limited, free), Is.EqualTo((true, false)));
        });
    }

    [Test]
    public void WhatNoLongerFailsStaysAsItIs()
    {
        GradientCase made = RandomCases.Layer(5);
        Assert.That(Shrinker.Shrink(made, _ => false).Case, Is.SameAs(made));
    }

    private static void EveryCandidateIsSmallerAndCompiles(GradientCase made)
    {
        using var managed = new ManagedBackend(threads: 1);
        GradientCase[] candidates = [.. Shrinker.Candidates(made)];
        Assert.That(candidates, Is.Not.Empty);
        foreach (GradientCase candidate in candidates)
        {
            Assert.That(Measure(candidate), Is.LessThan(Measure(made)), $"{candidate}");
            if (candidate is GraphGradientCase { Graph: var graph })
                managed.CompileInference(graph, candidate.Options.BatchSize).Dispose();
            else if (candidate is LayerGradientCase alone)
                Assert.That(() => alone.Layer.Infer([.. alone.Inputs]), Throws.Nothing);
        }
    }

    // Nodes first, then everything that is counted.
    private static (int Nodes, long Sizes) Measure(GradientCase made)
    {
        Layer[] layers = [.. made.Layers.Select(each => each.Layer)];
        IEnumerable<Shape> inputs = made is LayerGradientCase alone ? alone.Inputs
            : ((GraphGradientCase)made).Graph.Inputs.Select(input => input.Shape);
        int outputs = made is GraphGradientCase { Graph: var graph } ? graph.Outputs.Count : 1;
        GradientCheckOptions options = made.Options;
        long sizes = outputs + layers.Sum(SizeOf) + inputs.Sum(shape => (long)shape.C + shape.H + shape.W)
            + options.BatchSize + options.LargestInteger + System.Numerics.BitOperations.PopCount((uint)options.Modes)
                + (int)options.Values + Math.Min((long)options.Seed, 2);
        return (made is LayerGradientCase ? 0 : layers.Length, sizes);
    }

    // Every attribute counts: a number as it is, a flag or a word where it is not the simplest.
    private static long SizeOf(Layer layer) => layer.Declaration!.Attributes.Sum(
        attribute => attribute.ValueOf(layer) switch
    {
        int number => number,
        Extent size => size.H + size.W,
        Padding sides => sides.Top + sides.Left + sides.Bottom + sides.Right,
        _ => attribute.Smaller(layer).Any() ? 1L : 0,
    });
}
