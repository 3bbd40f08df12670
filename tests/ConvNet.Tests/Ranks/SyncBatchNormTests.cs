using ConvNet.Mpi;
using ConvNet.Tests.Reference;
using NUnit.Framework;

namespace ConvNet.Tests.Ranks;

/// <summary>Synchronised batch normalisation: ranks that share batches have the statistics of one process.</summary>
public sealed class SyncBatchNormTests
{
    private const int Batch = 8;

    // Sums of several ranks are rounded in another order, and a normalised value depends on many of them.
    private const float Rounding = 5e-5f;

    private static readonly DataParallelOptions s_synchronized = new() { SyncBatchNorm = true };

    // Every channel has as many values of 1 as of -1, so that its variance is 1, and with ε the inverse deviation is
    // exactly 1/2. The samples have them in different proportions, so that the share of a rank has other statistics.
    [Test]
    public void WholeNumbersGiveTheBitsOfOneProcess([Values(2, 3, 4)] int ranks,
        [ValueSource(typeof(Backends), nameof(Backends.Direct))] BackendCase backend, [Values] bool deterministic)
    {
        Graph graph = Exact();
        var spec = new TrainingSpec(Batch, new MeanSquaredError(), new Sgd()) { InputGradient = true };
        float[] x = Unbalanced(graph.Inputs[0].Shape.Area), t = [.. Enumerable.Range(0, Batch * 2).Select(i => i % 5)];
        void Train(IExecutable net)
        {
            WriteWhole(net);
            net.TrainStep(x, t, 0.25f);
        }
        Trained expected = RankRun.Alone(() => backend.Open(1), graph, spec, Train);
        // All are multiples of 2^-16, of which float32 has all up to 2^8.
        Assert.That(expected.Gradients.SelectMany(values => values), Is.All.Matches<float>(value
            => value * 65536 == MathF.Round(value * 65536) && Math.Abs(value) < 256));
        // Those of the convolution's bias are 0, because the mean is subtracted.
        Assert.That(new[] { 0, 2, 3, 4 }.SelectMany(index => expected.Gradients[index]), Is.All.Not.EqualTo(0f));
        foreach (Trained rank in RankRun.Train(ranks, () => backend.Open(1), graph, spec, Train,
            s_synchronized with { Deterministic = deterministic }))
            Assert.That(rank.Values, Is.EqualTo(expected.Values));
        // The test can fail: with the statistics of each share, the weights are others.
        Assert.That(RankRun.Train(ranks, () => backend.Open(1), graph, spec, Train)[0].Values,
            Is.Not.EqualTo(expected.Values));
    }

    // 7 samples on 4 ranks, then 3, so that a rank has none. The layers are fused in all ways that backends know.
    [Test]
    public void RealNumbersGiveTheResultsOfOneProcess(
        [ValueSource(typeof(Backends), nameof(Backends.Direct))] BackendCase backend, [Values] bool freezes)
    {
        Graph graph = Residual();
        var spec = new TrainingSpec(7, new SoftmaxCrossEntropy(), new Sgd(momentum: 0.9f)) { Seed = 3 };
        int length = graph.Inputs[0].Shape.Length;
        float[] x = Real(7 * length, 4), y = Real(7 * length, 5);
        int[] labels = [0, 2, 1, 2, 0, 0, 2];
        void Train(IExecutable net)
        {
            net.Initialize(new HeNormal(1));
            if (freezes)
                net.Freeze(graph.LayerNodes.First(node => node.Layer is BatchNorm2d).Parameters
                    .Where(p => p.Trainable));
            net.TrainStep(x, labels, 0.05f);
            net.Forward(y.AsSpan(0, 3 * length));
            net.Loss(labels.AsSpan(0, 3));
            net.Backward();
            net.Forward(y);
            net.Loss(labels);
            net.Backward(accumulate: true);
            net.Step(0.05f);
        }
        Trained expected = RankRun.Alone(() => backend.Open(1), graph, spec, Train);
        Trained[] ranks = RankRun.Train(4, () => backend.Open(1), graph, spec, Train,
            s_synchronized with { Deterministic = true });
        foreach (Trained rank in ranks)
        {
            Assert.That(rank.Values, Is.EqualTo(expected.Values).Within(Rounding));
            Assert.That(rank.Values, Is.EqualTo(ranks[0].Values));
        }
        Assert.That(RankRun.Train(4, () => backend.Open(1), graph, spec, Train)[0].Values,
            Is.Not.EqualTo(expected.Values).Within(100 * Rounding));
    }

    [Test]
    public void InRankOrderEveryRunHasTheSameBits()
    {
        Graph graph = Residual();
        var spec = new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Sgd()) { GradientBucketBytes = 200 };
        float[] x = Real(Batch * graph.Inputs[0].Shape.Length, 4);
        void Train(IExecutable net)
        {
            net.Initialize(new HeNormal(1));
            for (int step = 0; step < 3; step++)
                net.TrainStep(x, new int[] { 0, 2, 1, 2, 0, 1, 1, 2 }, 0.1f);
        }
        float[][] runs = [.. Enumerable.Range(0, 2).SelectMany(run => RankRun.Train(3,
            () => new NativeBackend(run + 1), graph, spec, Train, s_synchronized with { Deterministic = true }))
            .Select(rank => rank.Values)];
        Assert.That(runs, Is.All.EqualTo(runs[0]));
    }

    [Test]
    public void ABackendThatCannotSynchronizeIsRefused()
    {
        using var shared = new DataParallelBackend(new IdleBackend(), LocalCommunicator.Create(1)[0], s_synchronized);
        var spec = new TrainingSpec(2, new MeanSquaredError(), new Sgd());
        Assert.That(() => shared.Compile(Exact(), spec), Throws.TypeOf<NotSupportedException>()
            .With.Message.Contains("bn1 (BatchNorm2d): the backend idle cannot synchronise batch normalisation")
            .And.Message.Contains("native"));
        Assert.That(() => shared.Compile(Sequential.Of(new Shape(1, 2, 2), new Flatten(), new Linear(2)), spec)
            .Dispose(), Throws.Nothing, "nothing is to be synchronised");
    }

    private static Graph Exact() => Sequential.Of(new Shape(1, 4, 4), new Conv2d(2, 1), new BatchNorm2d(0.5f, 3),
        new Relu(), new Flatten(), new Linear(2));

    private static Graph Residual()
    {
        var graph = new Graph(new Shape(2, 4, 4));
        Node first = graph.Add(new BatchNorm2d(), graph.Add(new Conv2d(18, 3, padding: 1), graph.Inputs[0])),
            relu = graph.Add(new Relu(), first),
            second = graph.Add(new BatchNorm2d(momentum: null, affine: false),
                graph.Add(new Conv2d(18, 3, padding: 1), relu)),
            sum = graph.Add(new Relu(), graph.Add(new Add(), second, relu)),
            vector = graph.Add(new BatchNorm2d(0.3f), graph.Add(new Linear(5), graph.Add(new Flatten(), sum)));
        graph.Add(new Linear(3), vector);
        return graph;
    }

    // Whole numbers, and weights of 1 and -1 before the layer that normalises.
    private static void WriteWhole(IExecutable net)
    {
        var random = new Random(3);
        foreach (Parameter parameter in net.Graph.Parameters)
        {
            bool isPositive = parameter.Node.Layer is BatchNorm2d;
            net.Write(parameter, [.. Enumerable.Range(0, parameter.Length).Select(i => parameter.Index == 0
                ? 1 - 2 * i : (float)random.Next(1, 3) * (isPositive || i % 2 == 0 ? 1 : -1))]);
        }
    }

    // All samples together have as many values of 1 as of -1; the first ones have more of 1.
    private static float[] Unbalanced(int area)
    {
        int[] ones = [16, 14, 12, 9, 7, 4, 2, 0];
        return [.. ones.SelectMany(count => Enumerable.Range(0, area)
            .Select(i => (i * 7 + 3) % area < count ? 1f : -1f))];
    }

    private static float[] Real(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }

    private sealed class IdleBackend : IBackend
    {
        public BackendInfo Info { get; } = new ManagedBackend(1).Info with { Name = "idle" };

        public IExecutable Compile(Graph graph, TrainingSpec spec) => new IdleExecutable(graph, spec);

        public IExecutable CompileInference(Graph graph, int batchSize) => throw new NotSupportedException();

        public void Dispose()
        {
        }
    }
}
