using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>What compiles also runs, however large its sizes; what does not is refused by name before.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class LimitContract(BackendCase backend)
{
    private const int Cases = 120, MostValues = 1 << 17, MostWindow = 1 << 20;
    private const double MostOperations = 2e7;

    private static readonly Loss[] Losses = [new SoftmaxCrossEntropy(), new MulticlassSvm(), new MeanSquaredError()];

    /// <summary>Sizes that the kernels once refused when they ran.</summary>
    public static IEnumerable<TestCaseData> Large()
    {
        yield return Case("a mean over one long row", new Shape(3, 1, 44_100), new GlobalAvgPool2d());
        yield return Case("a mean over one long column", new Shape(3, 44_100, 1), new GlobalAvgPool2d());
        yield return Case("windows far apart", new Shape(2, 1, 80_001), new MaxPool2d(1, stride: (1, 40_000)));
        yield return Case("a large window", new Shape(2, 1, 80_000), new MaxPool2d((1, 40_000)));
        yield return Case("a mean of a large window", new Shape(2, 80_000, 1),
            new AvgPool2d((40_000, 1), padding: (20_000, 0), rounding: Rounding.Floor));
        yield return Case("the largest stride", new Shape(1, 1, MostWindow + 1), new Conv2d(1, 1, stride: MostWindow));
        yield return Case("a stride of two primes", new Shape(16, 1, 100_000),
            new Conv2d(16, (1, 3), stride: (1, 32_749), dilation: (1, 32_771), rounding: Rounding.Floor));
        yield return Case("a long filter", new Shape(1, 1, 32_773), new Conv2d(1, (1, 32_770)));
        yield return Case("taps far apart", new Shape(1, 1, 300_000), new Conv2d(1, (1, 2), dilation: (1, 299_990)));
        yield return Case("many classes", new Shape(1, 1, 40_000), new Flatten());
        yield return Case("many channels of their own", new Shape(40_000, 1, 1), new Conv2d(40_000, 1, groups: 40_000));

        static TestCaseData Case(string name, Shape input, Layer layer)
            => new TestCaseData(Sequential.Of(input, layer, new Flatten()), 1, Losses[0]).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Large))]
    public void LargeSizesAreComputed(Graph graph, int batch, Loss loss) => Run(graph, batch, loss);

    [Test]
    public void SeventeenMillionSamplesAreComputed()
    {
        Graph graph = Sequential.Of(new Shape(1, 1, 1), new Relu());
        const int Batch = 17_000_000;
        using IBackend opened = backend.Open();
        using IExecutable net = opened.CompileInference(graph, Batch);
        float[] images = new float[Batch], scores = new float[Batch];
        images[^1] = 3;
        images[0] = -1;
        net.Infer(images, scores);
        Assert.That((scores[0], scores[^1]), Is.EqualTo((0f, 3f)));
    }

    [Test]
    public void WhatCompilesRuns([Range(0, 3)] int part)
    {
        int ran = 0;
        for (int seed = part; seed < Cases; seed += 4)
        {
            var random = new Random(seed);
            if (RandomGraph(random) is not { } graph)
                continue;
            int most = MostValues / graph.Nodes.Max(node => node.Shape.Length);
            int batch = Math.Max(1, (int)Math.Pow(most, random.NextDouble()));
            TestContext.Out.WriteLine($"seed {seed}: {string.Join("; ", graph.Nodes)}; batch {batch}");
            ran += Run(graph, batch, Losses[seed % Losses.Length]) ? 1 : 0;
        }
        Assert.That(ran, Is.GreaterThan(Cases / 8), "what is refused shows nothing");
    }

    private bool Run(Graph graph, int batch, Loss loss)
    {
        using IBackend opened = backend.Open();
        var spec = new TrainingSpec(batch, loss, new Sgd(momentum: 0.5f)) { InputGradient = true };
        IExecutable net;
        try
        {
            net = opened.Compile(graph, spec);
        }
        catch (Exception error) when (error is NotSupportedException or ArgumentException)
        {
            bool named = graph.Nodes.Any(node => error.Message.Contains(node.Name, StringComparison.Ordinal));
            Assert.That(named, $"which node? {error.Message}");
            return false;
        }
        using (net)
        {
            net.Initialize(new HeNormal(1));
            float[] images = Samples.Integers(batch * graph.Input.Shape.Length, 1);
            float[] scores = new float[batch * graph.Output.Shape.Length];
            double value = net.TrainStep(
                images, loss.Takes == TargetKind.Values ? new float[scores.Length] : new int[batch], 1e-6f);
            net.Infer(images, scores);
            Assert.That(double.IsNaN(value) || scores.Any(float.IsNaN), Is.False, "a value that is not finite");
        }
        using IExecutable inference = opened.CompileInference(graph, batch);
        inference.Initialize(new HeNormal(1));
        inference.Infer(new float[batch * graph.Input.Shape.Length], new float[batch * graph.Output.Shape.Length]);
        return true;
    }

    // Two layers on a map that is long or has many channels; null where the sizes are refused or take too long.
    private static Graph? RandomGraph(Random random)
    {
        int Upto(double most) => (int)Math.Pow(most, random.NextDouble());
        var sizes = new int[3];
        int left = MostValues;
        foreach (int i in (int[])[random.Next(3), 0, 1, 2])
        {
            if (sizes[i] == 0)
                left /= sizes[i] = Upto(left);
        }
        var x = new Shape(sizes[0], sizes[1], sizes[2]);
        Extent Size(Func<int, int> of) => (of(x.H), of(x.W));
        Extent kernel = Size(size => Upto(size)), stride = Size(_ => Upto(MostWindow));
        Extent dilation = Size(size => Upto(Math.Min(size, 8)));
        Extent half = (random.Next(kernel.H / 2 + 1), random.Next(kernel.W / 2 + 1));
        try
        {
            Layer layer = random.Next(9) switch
            {
                0 or 1 => new Conv2d(Upto(40), kernel, stride, half, dilation, rounding: Rounding.Floor),
                2 => new Conv2d(x.C, kernel, stride, half, dilation, groups: x.C, rounding: Rounding.Floor),
                3 => new MaxPool2d(kernel, stride, half, rounding: Rounding.Floor),
                4 => new AvgPool2d(kernel, stride, half, Rounding.Floor, countIncludePad: random.Next(2) == 0),
                5 => new GlobalAvgPool2d(),
                6 => new BatchNorm2d(),
                7 => new Dropout(0.25f),
                _ => new Relu(),
            };
            Graph graph = Sequential.Of(x, layer, random.Next(3) == 0 ? new Relu() : new Flatten());
            Extent seen = layer.Sees(x)?.Kernel ?? 1;
            double operations = Math.Max(layer.MultiplyAdds(x), (double)graph.Output.Shape.Length * seen.H * seen.W);
            return operations < MostOperations && graph.ParameterCount < MostValues * 8 ? graph : null;
        }
        catch (ArgumentException)
        {
            return null;
        }
    }
}
