using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>A user's own backend: a real one that is wrong on some graphs.</summary>
internal sealed class PlantedBackend(IBackend inner, Fault fault, Predicate<Graph> when) : IBackend
{
    private readonly FaultyBackend _faulty = new(inner, fault);

    public BackendInfo Info => inner.Info with { Name = "planted" };

    public IExecutable Compile(Graph graph, TrainingSpec spec) => when(graph) ? _faulty.Compile(graph, spec)
        : inner.Compile(graph, spec);

    public IExecutable CompileInference(Graph graph, int batchSize) => inner.CompileInference(graph, batchSize);

    public void Dispose() => inner.Dispose();
}

/// <summary>Failures of layers and backends of the user's own, and of faults in ours, are found and made as small as
/// they go.</summary>
public sealed class ShrunkFailureTests
{
    [Test]
    public void AUsersLayerWithAWrongGradientShrinksToOneValue()
    {
        Graph graph = Sequential.Of(new Shape(3, 9, 8), new Conv2d(5, 3), new Relu(),
            new ScaledSquare(GradientFactor: 1.001), new MaxPool2d(2, rounding: Rounding.Floor), new Flatten(),
            new Linear(3));
        using var managed = new ManagedBackend();
        ShrunkFailure shrunk = Find(new GraphGradientCase(graph, new GradientCheckOptions()), managed);
        var least = (LayerGradientCase)shrunk.Case;
        Assert.Multiple(() =>
        {
            Assert.That(least.Layer, Is.EqualTo(new ScaledSquare(GradientFactor: 1.001)));
            Assert.That(least.Inputs, Is.EqualTo((Shape[])[new Shape(1, 1, 1)]));
            Assert.That(least.Options,
                Is.EqualTo(new GradientCheckOptions
                {
                    Modes = CheckModes.ForwardMode,
                    BatchSize = 1,
                    LargestInteger = 1
                }));
            Assert.That(shrunk.Backends, Is.Empty, "the reference contradicts itself");
            Assert.That($"{shrunk}", Does.StartWith("reference, ForwardMode: dx[0] is ")
                .And.Contain("ScaledSquare { ").And.Contain("on 1×1×1")
                .And.Contain("A scaledsquare cannot be written as JSON"), "what there is without a file");
            Assert.That((shrunk.Report.Backend, shrunk.Tensor.Name, shrunk.Tensor.Elements),
                Is.EqualTo(("reference", "dx", 1)));
        });
    }

    [Test]
    public void AUsersBackendThatIsWrongOnWideInputsShrinksToTheNarrowestOfThem()
    {
        // Wrong where a row of more than five columns meets a kernel of two columns or more.
        using var planted = new PlantedBackend(new ManagedBackend(),
            new Fault(FaultKind.TermLeftOut, FaultTarget.WeightGradient),
            graph => graph.Nodes.Any(node => node.Layer is Conv2d { Window.Kernel.W: >= 2 } && node.Inputs[0]
                .Shape.W > 5));
        Graph graph = Sequential.Of(new Shape(3, 8, 12), new Conv2d(5, 3, padding: 1), new Relu(), new MaxPool2d(2),
            new Conv2d(7, 3, padding: 1), new Relu(), new Flatten(), new Linear(10));
        ShrunkFailure shrunk = Find(new GraphGradientCase(graph, new GradientCheckOptions()), new ManagedBackend(),
            planted);
        var least = (LayerGradientCase)shrunk.Case;
        Assert.Multiple(() =>
        {
            Assert.That(least.Layer, Is.EqualTo(new Conv2d(1, (1, 2), bias: false)));
            Assert.That(least.Inputs, Is.EqualTo((Shape[])[new Shape(1, 1, 6)]));
            Assert.That(least.Options.BatchSize, Is.EqualTo(1));
            Assert.That(shrunk.Backends, Is.EqualTo((IBackend[])[planted]));
            Assert.That((shrunk.Report.Mode, shrunk.Tensor.Name, shrunk.Tensor.Failed),
                Is.EqualTo((CheckModes.Exact, "dw", 1)));
            Assert.That(shrunk.Runs, Is.LessThan(200));
        });
    }

    [Test]
    public void ABackendThatIsWrongOnAPairOfLayersShrinksToThePair()
    {
        using var planted = new PlantedBackend(new ManagedBackend(),
            new Fault(FaultKind.SignFlipped, FaultTarget.InputGradient),
            graph => graph.Nodes.Any(node => node.Layer is Relu && node.Inputs[0].Layer is Conv2d { Bias: true }));
        Graph graph = Sequential.Of(new Shape(3, 8, 12), new Conv2d(5, 3, padding: 1, bias: false), new MaxPool2d(2),
            new Conv2d(7, 3, padding: 1), new Relu(), new Flatten(), new Linear(10));
        ShrunkFailure shrunk = Find(new GraphGradientCase(graph, new GradientCheckOptions()), planted);
        var least = (GraphGradientCase)shrunk.Case;
        Assert.Multiple(() =>
        {
            Assert.That(least.Graph.LayerNodes.Select(node => node.Layer!.Kind),
                Is.EqualTo((string[])["conv", "relu"]));
            Assert.That(least.Graph.Input.Shape.Length * least.Options.BatchSize, Is.LessThan(5),
                "enough for the ReLU to let one through");
            Assert.That(shrunk.Report.Mode, Is.EqualTo(CheckModes.Segments));
        });
    }

    [TestCaseSource(typeof(Backends), nameof(Backends.All))]
    public void AFaultInOneTermOfARealBackendShrinksToFewTermsAndItsFileFailsAgain(BackendCase backend)
    {
        using IBackend opened = backend.Open();
        var faulty = new FaultyBackend(opened, new Fault(FaultKind.TermLeftOut, FaultTarget.WeightGradient, Seed: 3));
        GradientCase made = new GraphGradientCase(GraphCases.Networks.Single(network => network.Name == "small")
            .Build(), new GradientCheckOptions { BatchSize = 2 });
        ShrunkFailure shrunk = Find(made, faulty);
        var least = (LayerGradientCase)shrunk.Case;
        Assert.That((least.Layer.Kind, least.Inputs.Single(), least.Options.BatchSize, least.LongestSum),
            Is.EqualTo(("conv", new Shape(1, 1, 1), 1, 1L)));
        GradientCase read = GradientCaseFile.Read(GradientCaseFile.Write(shrunk.Case));
        Assert.That(read.Run([faulty]).Verdict, Is.EqualTo(Verdict.Fail));
        Assert.That(read.Run([opened]).Verdict, Is.EqualTo(Verdict.Pass));
    }

    [Test]
    public void ThereIsNothingToShrinkWhereAllAgree()
    {
        using var managed = new ManagedBackend();
        GradientCase made = RandomCases.Layer(1);
        Assert.That(ShrunkFailure.Of(made, made.Run([managed]), [managed]), Is.Null);
    }

    [Test]
    public void WhatDoesNotComeAgainIsReportedAsItWas()
    {
        using var managed = new ManagedBackend();
        int compiled = 0;
        using var once = new PlantedBackend(new ManagedBackend(), new Fault(FaultKind.FactorOfTwo, FaultTarget.Output),
            _ => compiled++ == 1);
        GradientCase made = RandomCases.Layer(1)
            with
        { Options = new GradientCheckOptions { Modes = CheckModes.Exact } };
        GradientReport report = made.Run([once]);
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Fail));
        ShrunkFailure shrunk = ShrunkFailure.Of(made, report, [once])!;
        Assert.That(shrunk.Case, Is.SameAs(made));
        Assert.That(shrunk.Report, Is.SameAs(report.Layers.Single()));
    }

    private static ShrunkFailure Find(GradientCase made, params IBackend[] backends)
    {
        GradientReport report = made.Run(backends);
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Fail));
        ShrunkFailure? shrunk = ShrunkFailure.Of(made, report, backends);
        Assert.That(shrunk, Is.Not.Null);
        TestContext.Out.WriteLine($"{shrunk}, {shrunk!.Runs} runs");
        Assert.That(shrunk.Report.Verdict, Is.EqualTo(Verdict.Fail));
        return shrunk;
    }
}
