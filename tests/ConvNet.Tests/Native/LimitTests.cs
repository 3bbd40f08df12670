using System.Globalization;
using System.Text.RegularExpressions;
using ConvNet.Models;
using ConvNet.Native;
using ConvNet.Native.Interop;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>Limits of the kernels, and plans that take no memory.</summary>
public sealed unsafe class LimitTests
{
    private static readonly TrainingSpec Spec = new(1, new MeanSquaredError(), new Sgd(momentum: 0.9f));

    [Test]
    public void TheLimitsAreThoseOfTheHeader()
    {
        string header = File.ReadAllText(Repository.Path("native", "include", "convnet_types.h"));
        (string Name, int Value)[] limits =
        [
            (nameof(Convnet.CN_MOST_SIZE), Convnet.CN_MOST_SIZE),
            (nameof(Convnet.CN_MOST_WINDOW), Convnet.CN_MOST_WINDOW),
            (nameof(Convnet.CN_MOST_MAXIMUM), Convnet.CN_MOST_MAXIMUM),
        ];
        foreach ((string name, int value) in limits)
        {
            Match stated = Regex.Match(header, $@"\b{name} = 1 << (\d+)");
            Assert.That(1 << int.Parse(stated.Groups[1].Value, CultureInfo.InvariantCulture), Is.EqualTo(value), name);
        }
    }

    /// <summary>What is beyond a limit, with the node and the limit that the error names.</summary>
    public static IEnumerable<TestCaseData> Beyond()
    {
        const int Far = (1 << 30) + 1;
        const string Size = "1,073,741,824";
        var one = new Shape(1, 1, 1);
        yield return new TestCaseData(Sequential.Of(new Shape(1, 1, Far), new Relu()), "input", Size);
        yield return new TestCaseData(Sequential.Of(new Shape(Far, 1, 1), new Relu()), "input", Size);
        yield return new TestCaseData(Sequential.Of(one, new Linear(Far)), "linear1", Size);
        yield return new TestCaseData(Sequential.Of(one, new Conv2d(1, 32_769, padding: 16_384)), "conv1", Size);
        var map = new Shape(1, 4097, 4097);
        yield return new TestCaseData(Sequential.Of(map, new MaxPool2d(4097)), "maxpool1", "16,777,216");
    }

    [TestCaseSource(nameof(Beyond))]
    public void WhatIsBeyondALimitIsRefusedByNodeAndLimitBeforeMemoryIsTaken(Graph graph, string node, string limit)
    {
        using var backend = new NativeBackend();
        Action[] ways =
        [
            () => backend.Compile(graph, Spec), () => backend.CompileInference(graph, 1),
            () => backend.Explain(graph, Spec), () => backend.ExplainInference(graph, 1),
        ];
        foreach (Action compile in ways)
            Assert.That(Assert.Throws<NotSupportedException>(compile)!.Message, Does.Contain(node).And.Contain(limit));
    }

    [Test]
    public void ABatchBeyondTheLimitIsRefused()
    {
        using var backend = new NativeBackend();
        Graph graph = Sequential.Of(new Shape(1, 1, 1), new Relu());
        var error = Assert.Throws<NotSupportedException>(() => backend.CompileInference(graph, int.MaxValue))!;
        Assert.That(error.Message, Does.Contain("1,073,741,824"));
    }

    /// <summary>Sizes that take much memory: they are planned only.</summary>
    public static IEnumerable<TestCaseData> Large()
    {
        const int Many = 17_000_000;
        Shape one = new(1, 1, 1), two = new(2, 1, 1);
        Layer[] normed = [new Linear(3), new BatchNorm2d(), new Relu(), new Linear(2)];
        Layer[] pooled = [new Conv2d(20, 1), new MaxPool2d(1), new Conv2d(16, 3, padding: 1)];
        yield return new TestCaseData(Sequential.Of(new Shape(1, 4100, 4100), new GlobalAvgPool2d()), 4);
        yield return new TestCaseData(Sequential.Of(new Shape(1, 1, Many), new BatchNorm2d()), 2);
        yield return new TestCaseData(Sequential.Of(new Shape(1, 1, Many), new Flatten(), new Linear(10)), 2);
        yield return new TestCaseData(Sequential.Of(new Shape(16, 1, Many), new Flatten(), new Linear(1)), 2);
        yield return new TestCaseData(Sequential.Of(new Shape(1, 1, 1), new Linear(Many), new Relu()), 2);
        yield return new TestCaseData(Sequential.Of(one, normed), Many);
        yield return new TestCaseData(Sequential.Of(two, pooled), Many);
    }

    [TestCaseSource(nameof(Large))]
    public void LargeSizesArePlanned(Graph graph, int batch)
    {
        using var backend = new NativeBackend();
        PlanDescription training = backend.Explain(graph, Spec with { BatchSize = batch });
        PlanDescription inference = backend.ExplainInference(graph, batch);
        Assert.That(training.Memory.Total, Is.AtLeast(inference.Memory.Total));
    }

    [Test]
    public void APlanTakesNoMemoryAndIsTheOneThatRuns()
    {
        using var backend = new NativeBackend();
        long before = Environment.WorkingSet;
        PlanDescription large = backend.Explain(BuiltInModels.Create("resnet18"), Spec with { BatchSize = 2000 });
        Assert.That(large.Memory.Total, Is.GreaterThan(20_000_000_000));
        Assert.That(Environment.WorkingSet - before, Is.LessThan(1_000_000_000));
        foreach (string model in (string[])["lenet5", "resnet20", "alexnet", "resnet18", "googlenet", "densenet121",
            "mobilenet_v2"])
        {
            Graph graph = BuiltInModels.Create(model);
            TrainingSpec spec = Spec with { KeepGradients = false };
            using NativePlan training = backend.Compile(graph, spec), inference = backend.CompileInference(graph, 1);
            Assert.That(backend.Explain(graph, spec).ToString(), Is.EqualTo(training.Explain().ToString()));
            Assert.That(backend.ExplainInference(graph, 1).ToString(), Is.EqualTo(inference.Explain().ToString()));
        }
    }

    [Test]
    public void TooLittleMemoryIsOneErrorWithTheAmountAndTheLargestTensor()
    {
        using var backend = new NativeBackend();
        var graph = new Graph(new Shape(1, 1 << 15, 1 << 14));
        graph.Append(graph.Input, [.. Enumerable.Repeat<Layer>(new Conv2d(1, 1), 300)]);
        TrainingSpec spec = Spec with { BatchSize = 3 };
        string message = Assert.Throws<InsufficientMemoryException>(() => backend.Compile(graph, spec))!.Message;
        foreach (string part in (string[])["batches of 3 need ", " GB", "\"input\"", "6.4 GB", "smaller batch"])
            Assert.That(message, Does.Contain(part));
    }

    [Test]
    public void TheBatchesThatDecideAWorkspaceHaveOneThatTakesTheMost(
        [Values(1, 2, 3, 7)] int threads, [Values(4500, 5003, 9000)] int batch)
    {
        using var backend = new NativeBackend(threads);
        var dense = new cn_linear { c = 40, h = 1, w = 1, outputs = 33 };
        cn_tensor x = new(48, 6, 5, 0, cn_layout.CN_BLOCKED), y = new(32, 6, 5, 0, cn_layout.CN_BLOCKED);
        foreach (cn_pass pass in Enum.GetValues<cn_pass>())
        {
            Same(n => Convnet.cn_linear_workspace_bytes(backend.Context, dense, pass, n));
            foreach (cn_algorithm algorithm in Enum.GetValues<cn_algorithm>())
            {
                cn_conv2d conv = ConvKernels.Of(x, y, new Window(3, 1, 1, 1), 1) with { algorithm = algorithm };
                Same(n => ConvKernels.Describe(backend.Context, conv, null, pass, n).workspace);
            }
        }

        void Same(Func<int, long> bytes)
        {
            long most = Enumerable.Range(1, batch).Max(bytes);
            IEnumerable<int> decisive = global::ConvNet.Native.Lowering.DecisiveBatches(batch, threads);
            Assert.That(decisive.Max(bytes), Is.EqualTo(most));
        }
    }
}
