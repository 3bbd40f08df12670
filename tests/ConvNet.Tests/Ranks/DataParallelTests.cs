using ConvNet.Mpi;
using NUnit.Framework;

namespace ConvNet.Tests.Ranks;

/// <summary>Several ranks that share batches compute what one process computes.</summary>
public sealed class DataParallelTests
{
    private const int Batch = 8;

    private static readonly Func<IBackend>[] Backends = [() => new ManagedBackend(1),
        () => new NativeBackend(1, precision: Precision.Accurate)];

    // Sums of several ranks are rounded in another order: a few units in the last place of values of about 1.
    private const float Rounding = 2e-5f;

    [Test]
    public void WholeNumbersGiveTheSameBits([Values(2, 3, 4)] int ranks, [Values(0, 1)] int backend,
        [Values] bool deterministic)
    {
        Graph graph = Network();
        var spec = new TrainingSpec(Batch, new MeanSquaredError(), new Sgd());
        float[] x = Whole(Batch * graph.Inputs[0].Shape.Length, 1, 2), t = Whole(Batch * 2, 2, 2);
        void Train(IExecutable net)
        {
            Write(net, parameter => Whole(parameter.Length, parameter.Index, 1));
            net.TrainStep(x, t, 0.25f);
        }
        float[] expected = RankRun.Alone(Backends[backend], graph, spec, Train).Values;
        // All are multiples of 1/32, of which float32 has all up to 2^24.
        Assert.That(expected, Is.All.Matches<float>(value => value * 32 == MathF.Round(value * 32)
            && Math.Abs(value * 32) < 1 << 24));
        foreach (Trained rank in RankRun.Train(ranks, Backends[backend], graph, spec, Train, deterministic))
            Assert.That(rank.Values, Is.EqualTo(expected));
    }

    private static IEnumerable<TestCaseData> Losses()
    {
        yield return new TestCaseData(new SoftmaxCrossEntropy(), null).SetArgDisplayNames("softmax");
        yield return new TestCaseData(new SoftmaxCrossEntropy(ClassWeights: [1, 2, 0.5f], IgnoreClass: 1), null)
            .SetArgDisplayNames("class weights and an ignored class");
        yield return new TestCaseData(new SoftmaxCrossEntropy { Reduction = Reduction.Sum }, null)
            .SetArgDisplayNames("sum");
        yield return new TestCaseData(new MulticlassSvm { Reduction = Reduction.BatchMean },
            new float[] { 1, 2, 3, 4, 0, 1, 2 }).SetArgDisplayNames("batch mean with weights");
        yield return new TestCaseData(new SoftmaxCrossEntropy(), new float[] { 0, 0, 0, 0, 1, 1, 2 })
            .SetArgDisplayNames("a rank whose samples weigh nothing");
    }

    [TestCaseSource(nameof(Losses))]
    public void GradientsAreThoseOfTheWholeBatch(object given, float[]? weights)
    {
        var loss = (Loss)given;
        Graph graph = Classifier();
        // 7 samples on 4 ranks, 3 on the second step, so that a rank has none.
        var spec = new TrainingSpec(7, loss, new AdamW()) { Seed = 3 };
        float[] x = Real(7 * graph.Inputs[0].Shape.Length, 4);
        int[] labels = [0, 2, 1, 2, 0, 0, 2];
        var losses = new List<double>();
        void Train(IExecutable net)
        {
            net.Initialize(new HeNormal(1));
            double first = net.TrainStep(x, Targets.Of(labels).Weighted(weights), 0.01f);
            net.Forward(x.AsSpan(0, 3 * graph.Inputs[0].Shape.Length));
            double second = net.Loss(labels.AsSpan(0, 3));
            net.Backward();
            net.Step(0.01f);
            lock (losses)
                losses.AddRange([first, second]);
        }
        foreach (Func<IBackend> backend in Backends)
        {
            losses.Clear();
            Trained expected = RankRun.Alone(backend, graph, spec, Train);
            foreach (Trained rank in RankRun.Train(4, backend, graph, spec, Train))
            {
                Assert.That(rank.Values, Is.EqualTo(expected.Values).Within(Rounding));
                Assert.That((rank.State.Step, rank.State.Pass), Is.EqualTo((expected.State.Step, expected.State.Pass)));
            }
            for (int i = 2; i < losses.Count; i++)
                Assert.That(losses[i], Is.EqualTo(losses[0]).Within(1e-6).Or.EqualTo(losses[1]).Within(1e-6));
        }
    }

    [Test]
    public void RanksHaveTheSameBitsAndInRankOrderEveryRunHas()
    {
        Graph graph = Classifier();
        var spec = new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Sgd(momentum: 0.9f)) { Seed = 3 };
        float[] x = Real(Batch * graph.Inputs[0].Shape.Length, 4);
        void Train(IExecutable net)
        {
            net.Initialize(new HeNormal(1));
            for (int step = 0; step < 3; step++)
                net.TrainStep(x, new int[] { 0, 2, 1, 2, 0, 1, 1, 2 }, 0.1f);
        }
        float[][] runs = [.. Enumerable.Range(0, 2).SelectMany(_
            => RankRun.Train(3, Backends[1], graph, spec, Train, deterministic: true)).Select(rank => rank.Values)];
        Assert.That(runs, Is.All.EqualTo(runs[0]));
    }

    [Test]
    public void GradientsAccumulateAsInOneProcess()
    {
        Graph graph = Classifier();
        var spec = new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Sgd()) { GradientBucketBytes = 200 };
        void Train(IExecutable net)
        {
            net.Initialize(new HeNormal(1));
            for (int pass = 0; pass < 3; pass++)
            {
                net.Forward(Real(Batch * graph.Inputs[0].Shape.Length, pass));
                net.Loss(new int[] { 0, 2, 1, 2, 0, 1, 1, 2 });
                net.Backward(accumulate: pass > 0);
            }
            net.ScaleGradients(0.5f);
            net.ClipGradientNorm(0.1f);
            net.Step(0.1f);
        }
        float[] expected = RankRun.Alone(Backends[1], graph, spec, Train).Values;
        foreach (Trained rank in RankRun.Train(3, Backends[1], graph, spec, Train))
            Assert.That(rank.Values, Is.EqualTo(expected).Within(Rounding));
    }

    [Test]
    public void NoRankStepsIfTheLossOfOneIsNotFinite()
    {
        Graph graph = Normalized();
        var spec = new TrainingSpec(4, new SoftmaxCrossEntropy(), new Sgd());
        float[] good = Real(4 * graph.Inputs[0].Shape.Length, 4), bad = [.. good];
        // In the share of the last rank.
        bad[^1] = float.NaN;
        foreach (Func<IBackend> backend in Backends)
        {
            bool[] same = RankRun.Of(2, communicator =>
            {
                using var shared = new DataParallelBackend(backend(), communicator);
                using IExecutable net = shared.Compile(graph, spec);
                net.Initialize(new HeNormal(1));
                net.TrainStep(good, new int[] { 0, 1, 2, 0 }, 0.1f);
                var before = Trained.Of(net);
                double loss = net.TrainStep(bad, new int[] { 0, 1, 2, 0 }, 0.1f);
                var after = net.SaveState();
                return double.IsNaN(loss) && after.Pass == before.State.Pass && after.Step == before.State.Step
                    && after.Tensors.Zip(before.State.Tensors).All(pair
                        => pair.First.Values.AsSpan().SequenceEqual(pair.Second.Values));
            });
            Assert.That(same, Is.All.True);
        }
    }

    [Test]
    public void RunningStatisticsAreTheMeansOverTheRanks()
    {
        Graph graph = Normalized();
        var spec = new TrainingSpec(3, new SoftmaxCrossEntropy(), new Sgd());
        float[] x = Real(3 * graph.Inputs[0].Shape.Length, 4);
        Parameter mean = graph.Parameters.First(p => p.Role == ParameterRole.RunningMean);
        void Train(IExecutable net)
        {
            net.Initialize(new HeNormal(1));
            net.Forward(x);
            net.Loss(new int[] { 0, 1, 2 });
            net.Backward();
        }
        string name = mean.Name;
        float[] Statistics(Trained trained) => trained.State.Tensors.Single(tensor => tensor.Name == name).Values;
        float[] expected = Statistics(RankRun.Alone(Backends[1], graph, spec, Train));
        Assert.That(expected, Is.Not.All.EqualTo(0f));
        Trained[] ranks = RankRun.Train(2, Backends[1], graph, spec, Train);
        Assert.That(ranks.Select(rank => Statistics(rank)), Is.All.EqualTo(expected).Within(1e-6f));
        Assert.That(ranks[1].State.Tensors.SelectMany(tensor => tensor.Values),
            Is.EqualTo(ranks[0].State.Tensors.SelectMany(tensor => tensor.Values)));
    }

    [Test]
    public void AllRanksBeginWithTheStateOfTheFirst()
    {
        Graph graph = Classifier();
        var spec = new TrainingSpec(2, new SoftmaxCrossEntropy(), new Sgd());
        float[][] ranks = RankRun.Of(2, communicator =>
        {
            using var shared = new DataParallelBackend(Backends[1](), communicator);
            using IExecutable net = shared.Compile(graph, spec);
            net.Initialize(new HeNormal(communicator.Rank));
            net.TrainStep(Real(2 * graph.Inputs[0].Shape.Length, 4), new int[] { 0, 1 }, 0.1f);
            return Trained.Of(net).Values;
        });
        Assert.That(ranks[1], Is.EqualTo(ranks[0]));
    }

    [Test]
    public void OutputsAreThoseOfTheWholeBatch()
    {
        Graph graph = Classifier();
        var spec = new TrainingSpec(5, new SoftmaxCrossEntropy(), new Sgd()) { InputGradient = true, Seed = 3 };
        float[] x = Real(5 * graph.Inputs[0].Shape.Length, 4);
        int[] labels = [0, 1, 2, 0, 1];
        float[] Run(IExecutable net)
        {
            net.Initialize(new HeNormal(1));
            float[] outputs = new float[15], inferred = new float[15], own = new float[15];
            var gradient = new float[x.Length];
            var losses = new double[5];
            net.Infer(x, inferred);
            net.InferLosses(x, labels, losses);
            net.Forward(x);
            net.Loss(labels);
            net.ReadOutput(outputs);
            net.Backward();
            net.ReadInputGradient(gradient);
            net.TrainStep(x, labels, 0.1f, own);
            return [.. outputs, .. inferred, .. own, .. gradient, .. losses.Select(loss => (float)loss)];
        }
        using IBackend alone = Backends[1]();
        using IExecutable whole = alone.Compile(graph, spec);
        float[] expected = Run(whole);
        float[][] ranks = RankRun.Of(3, communicator =>
        {
            using var shared = new DataParallelBackend(Backends[1](), communicator);
            using IExecutable net = shared.Compile(graph, spec);
            return Run(net);
        });
        foreach (float[] rank in ranks)
            Assert.That(rank, Is.EqualTo(expected).Within(Rounding));
    }

    [Test]
    public void ALossThatIgnoresItsReductionIsRefused()
    {
        using var shared = new DataParallelBackend(Backends[0](), LocalCommunicator.Create(1)[0]);
        Graph graph = Network();
        Assert.That(() => shared.Compile(graph, new TrainingSpec(2, new Careless(), new Sgd())),
            Throws.ArgumentException.With.Message.Contains("Careless cannot be computed by several ranks"));
    }

    private static Graph Network() => Sequential.Of(new Shape(1, 4, 4), new Conv2d(3, 3, padding: 1), new Relu(),
        new Flatten(), new Linear(2));

    private static Graph Classifier() => Sequential.Of(new Shape(2, 4, 4), new Conv2d(5, 3, padding: 1), new Relu(),
        new Dropout(0.3f), new Flatten(), new Linear(3));

    private static Graph Normalized() => Sequential.Of(new Shape(2, 4, 4), new Conv2d(5, 3, padding: 1),
        new BatchNorm2d(), new Relu(), new Flatten(), new Linear(3));

    private static void Write(IExecutable net, Func<Parameter, float[]> values)
    {
        foreach (Parameter parameter in net.Graph.Parameters)
            net.Write(parameter, values(parameter));
    }

    private static float[] Whole(int count, int seed, int most)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)random.Next(-most, most + 1))];
    }

    private static float[] Real(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }

    // Divides by the number of samples whatever its reduction is.
    private sealed record Careless : Loss
    {
        public override TargetKind Takes => TargetKind.Values;

        public override T Evaluate<T>(in LossFrame<T> f)
        {
            T total = T.Zero, n = T.CreateChecked(f.N);
            for (int i = 0; i < f.Y.Length; i++)
            {
                total += f.Y[i] / n;
                f.DY[i] = T.One / n;
            }
            return total;
        }
    }
}
