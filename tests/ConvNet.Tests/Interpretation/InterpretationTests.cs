using ConvNet.Interpretation;
using ConvNet.Models;
using ConvNet.Summaries;
using NUnit.Framework;

namespace ConvNet.Tests.Interpretation;

/// <summary>What is shown of a network, against cases that can be worked out by hand.</summary>
public sealed class InterpretationTests
{
    private const int Batch = 4;

    private static readonly string[] Names = ["managed", "native:accurate", "torchsharp"];

    private static IEnumerable<BackendCase> Accurate => Backends.All.Where(backend => Names.Contains(backend.Name));

    [TestCaseSource(nameof(Accurate))]
    public void TheMapsAreThoseOfTheFilters(BackendCase backend)
    {
        // The first filter copies the image, the second one negates it; the activation leaves nothing of that one.
        var graph = Sequential.Of(new Shape(1, 5, 6), new Conv2d(2, 1), new Relu(), new GlobalAvgPool2d());
        using IBackend of = backend.Create(1);
        using IExecutable network = of.CompileInference(graph, Batch);
        network.Write(graph.Parameters[0], [1, -1]);
        network.Write(graph.Parameters[1], [0, 0]);
        float[] image = [.. Samples.Integers(30, 3).Select(Math.Abs)];

        IReadOnlyList<FeatureMaps> maps = FeatureMaps.Of(network, image);
        FeatureMaps activation = maps.Single(each => each.Operation.Output.Name == "relu1");
        Assert.Multiple(() =>
        {
            Assert.That(activation.Map(0).ToArray(), Is.EqualTo(image));
            Assert.That(activation.Map(1).ToArray(), Is.All.Zero);
            Assert.That(activation.Dead, Is.EqualTo(1));
            Assert.That(activation.Active, Is.EqualTo(image.Count(value => value > 0) / 60.0));
            Assert.That(maps[^1].Values[0], Is.EqualTo(image.Average()).Within(1e-5));
            Assert.That(() => activation.Map(2), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => FeatureMaps.Of(network, image.AsSpan(1)), Throws.ArgumentException);
        });
    }

    // Rows and columns by hand: LeNet-5 has a 5×5 convolution with padding 2, a 2×2 pool, and a 5×5 convolution without
    // padding, so that unit (y, x) of the last one sees the rows 2y − 2 to 2y + 11.
    [TestCaseSource(nameof(Accurate))]
    public void TheReceptiveFieldIsTheOneOfTheGeometry(BackendCase backend)
    {
        using IBackend of = backend.Create(1);
        Graph graph = BuiltInModels.Create("lenet5");
        using IExecutable network = of.CompileInference(graph, Batch);
        network.Initialize(new HeNormal(1));
        Node last = FeatureMaps.Of(network, new float[28 * 28]).Select(each => each.Operation)
            .First(operation => operation.Nodes.Any(node => node.Name == "conv2")).Output;
        int reach = last.Shape.H == 10 ? 0 : 2, scale = last.Shape.H == 10 ? 1 : 2;
        ReceptiveField At(int y, int x) => ReceptiveField.Of(network, last, y, x);
        Assert.Multiple(() =>
        {
            Assert.That(At(0, 0), Is.EqualTo(new ReceptiveField(0, 0, 12 + reach, 12 + reach)));
            Assert.That(At(2, 3), Is.EqualTo(new ReceptiveField(4 * scale - 2, 6 * scale - 2,
                4 * scale + 12 + reach, 6 * scale + 12 + reach)));
            Assert.That(() => At(0, 10), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => ReceptiveField.Of(network, BuiltInModels.Create("lenet5").Output, 0, 0),
                Throws.ArgumentException.With.Message.Contains("belongs to another graph"));
        });
    }

    [Test]
    public void AUnitThatSeesNothingHasAnEmptyField()
    {
        // Stride 2 and a 1×1 filter on padding: the corner unit reads the border alone.
        var graph = Sequential.Of(new Shape(1, 4, 4),
            new Conv2d(1, 1, stride: 2, padding: 1, rounding: Rounding.Floor));
        using var backend = new ManagedBackend();
        using IExecutable network = backend.CompileInference(graph, Batch);
        network.Initialize(new HeNormal(1));
        Assert.Multiple(() =>
        {
            Assert.That(ReceptiveField.Of(network, graph.Output, 0, 0).IsEmpty);
            Assert.That(ReceptiveField.Of(network, graph.Output, 1, 1), Is.EqualTo(new ReceptiveField(1, 1, 2, 2)));
        });
    }

    [Test]
    public void OcclusionFindsTheOnlyPixelsThatMatter()
    {
        // Class 1 is the pixel in row 2, column 5; class 0 is the bias.
        const int Row = 2, Column = 5, H = 6, W = 8;
        var graph = Sequential.Of(new Shape(1, H, W), new Flatten(), new Linear(2));
        using var backend = new ManagedBackend();
        using IExecutable network = backend.CompileInference(graph, 7);
        var weights = new float[2 * H * W];
        weights[H * W + Row * W + Column] = 3;
        network.Write(graph.Parameters[0], weights);
        network.Write(graph.Parameters[1], [0, 0]);
        float[] image = [.. Enumerable.Repeat(1f, H * W)];

        Occlusion heat = Occlusion.Of(network, image,
                options: new OcclusionOptions { Patch = (1, 1), Stride = (1, 1) }),
            argued = Occlusion.Of(network, image, label: 0, new OcclusionOptions { Patch = (2, 2), Stride = (3, 3) });
        double probability = 1 / (1 + Math.Exp(-3));
        Assert.Multiple(() =>
        {
            Assert.That(heat.Class, Is.EqualTo(1));
            Assert.That(heat.Probability, Is.EqualTo(probability).Within(1e-6));
            Assert.That(heat.Drops[Row * W + Column], Is.EqualTo(probability - 0.5).Within(1e-6));
            Assert.That(heat.Drops.Where((_, i) => i != Row * W + Column), Is.All.Zero);
            Assert.That(argued.Drops[Row * W + Column], Is.EqualTo(0.5 - probability).Within(1e-6));
            Assert.That(argued.Drops, Has.Length.EqualTo(H * W).And.All.Not.NaN);
            Assert.That(() => Occlusion.Of(network, image, label: 2), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => Occlusion.Of(network, image, options: new OcclusionOptions { Patch = 9 }),
                Throws.TypeOf<ArgumentOutOfRangeException>());
        });
    }

    [Test]
    public void ProbabilitiesBehindASoftmaxAreItsOwn([Values] bool withLayer)
    {
        Shape input = Shape.Vector(3);
        Graph graph = withLayer ? Sequential.Of(input, new Softmax()) : Sequential.Of(input, new Dropout(0.5f));
        using var backend = new ManagedBackend();
        using IExecutable network = backend.CompileInference(graph, 2);
        float[] probabilities = ClassScores.Of(network, new float[] { 1, 2, 4, 900, 900, 0 });
        double sum = Math.Exp(1) + Math.Exp(2) + Math.Exp(4);
        Assert.That(probabilities, Is.EqualTo((double[])[Math.Exp(1) / sum, Math.Exp(2) / sum, Math.Exp(4) / sum, 0.5,
            0.5, 0]).Within(1e-6));
    }

    [Test]
    public void ConvolutionsAnswerAShiftWithAShiftAndPoolsOnlyByWholeStrides()
    {
        var graph = Sequential.Of(new Shape(2, 20, 22), new Conv2d(3, 3, padding: 1), new Relu(), new MaxPool2d(2),
            new Conv2d(4, 3, padding: 1));
        using var backend = new ManagedBackend();
        using IExecutable network = backend.CompileInference(graph, 1);
        network.Initialize(new HeNormal(1));
        float[] image = Samples.Uniform(2 * 20 * 22, 5);
        var layers = ModelSummary.Of(graph).Layers.ToDictionary(layer => layer.Name);
        double?[] After(int pixels) => [.. FeatureMaps.Of(network, image).Zip(FeatureMaps.Of(network,
            ShiftResponse.Shift(image, graph.Input.Shape, pixels)), (maps, shifted) => ShiftResponse.Difference(maps,
                shifted, layers[maps.Operation.Output.Name], (20, 22), pixels))];
        Assert.Multiple(() =>
        {
            Assert.That(After(2), Is.EqualTo((double?[])[0, 0, 0, 0]));
            Assert.That(After(1), Is.EqualTo((double?[])[0, 0, null, null]));
            Assert.That(After(18)[^1], Is.Null, "no unit sees only what both images have");
        });
    }

    [Test]
    public void AShiftedImageRepeatsItsBorder() => Assert.That(
        ShiftResponse.Shift([1, 2, 3, 4, 5, 6], new Shape(1, 2, 3), 1), Is.EqualTo((float[])[1, 1, 2, 1, 1, 2]));
}
