using ConvNet.Data;
using ConvNet.Mpi;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Ranks;

/// <summary>Ranks that test their shares of a data set all have the results of one process.</summary>
public sealed class SharedEvaluationTests
{
    private const int Batch = 13;

    [Test]
    public void ClassesAreCountedAsInOneProcess([Values(2, 4)] int ranks, [Values] bool readsWhole,
        [Values] bool mirrors)
    {
        Graph graph = Sequential.Of(TinyData.Shape, new Conv2d(4, 3, padding: 1), new Relu(), new Flatten(),
            new Linear(TinyData.Classes));
        IDataset data = WithNaN(TinyData.Normalized(TinyData.TestCount, 2), 5, 20);
        Evaluation expected = Alone(graph, data, mirrors);
        Assert.That((expected.NotFinite, expected.FirstNotFinite), Is.EqualTo(((int, int?))(2, 5)));
        foreach (Evaluation rank in Shared(ranks, graph, data, mirrors, readsWhole))
        {
            (ClassEvaluation own, ClassEvaluation other)
                = ((ClassEvaluation)rank.Outputs[0], (ClassEvaluation)expected.Outputs[0]);
            Assert.Multiple(() =>
            {
                Assert.That((rank.Count, rank.NotFinite, rank.FirstNotFinite, own.NotFinite, own.FirstNotFinite),
                    Is.EqualTo((expected.Count, 2, (int?)5, 2, (int?)5)));
                Assert.That(MatrixOf(own), Is.EqualTo(MatrixOf(other)));
                Assert.That((own.Count, own.Correct, own.Accuracy, own.MacroF1, own.MeanIntersectionOverUnion),
                    Is.EqualTo((other.Count, other.Correct, other.Accuracy, other.MacroF1,
                        other.MeanIntersectionOverUnion)));
                Assert.That(Enumerable.Range(1, 3).Select(own.TopAccuracy),
                    Is.EqualTo(Enumerable.Range(1, 3).Select(other.TopAccuracy)));
                Assert.That(own.PerClass.Select(of => of.Count), Is.EqualTo(other.PerClass.Select(of => of.Count)));
            });
        }
    }

    [Test]
    public void ErrorsAreAddedUpAsInOneProcess()
    {
        Graph graph = Sequential.Of(TinyData.Shape, new Flatten(), new Linear(TinyData.Shape.Length));
        Shape shape = TinyData.Shape;
        float[] x = [.. Enumerable.Range(0, TinyData.TestCount * shape.Length).Select(i => i % 17 / 8f - 1)];
        var data = new ArrayDataset(shape, x, [.. x.AsEnumerable().Reverse()]);
        var expected = (ValueEvaluation)Alone(graph, data, false).Outputs[0];
        foreach (Evaluation rank in Shared(3, graph, data, false, false))
        {
            var own = (ValueEvaluation)rank.Outputs[0];
            Assert.That(own.Count, Is.EqualTo(expected.Count));
            Assert.That(own.MeanSquaredError, Is.EqualTo(expected.MeanSquaredError).Within(1e-6));
            Assert.That(own.MeanAbsoluteError, Is.EqualTo(expected.MeanAbsoluteError).Within(1e-6));
        }
    }

    private static long[] MatrixOf(ClassEvaluation evaluation) => [.. Enumerable.Range(0, evaluation.Classes)
        .SelectMany(truth => Enumerable.Range(0, evaluation.Classes).Select(guess => evaluation[truth, guess]))];

    private static Evaluation Alone(Graph graph, IDataset data, bool mirrors)
    {
        using var backend = new NativeBackend(1);
        using IExecutable net = backend.Compile(graph, Spec(graph));
        net.Initialize(new HeNormal(1));
        return Evaluation.Of(net, Views(data, mirrors, BatchShare.Whole));
    }

    private static Evaluation[] Shared(int ranks, Graph graph, IDataset data, bool mirrors, bool readsWhole)
        => RankRun.Of(ranks, communicator =>
        {
            using var backend = new DataParallelBackend(new NativeBackend(1), communicator);
            using IExecutable net = backend.Compile(graph, Spec(graph));
            net.Initialize(new HeNormal(1));
            return Evaluation.Of(net, Views(data, mirrors, readsWhole ? BatchShare.Whole : backend.Share));
        });

    private static TrainingSpec Spec(Graph graph) => new(Batch,
        graph.Output.Shape.Length == TinyData.Classes ? new SoftmaxCrossEntropy() : new MeanSquaredError(), new Sgd());

    private static DataLoader[] Views(IDataset data, bool mirrors, BatchShare share)
    {
        var options = new DataLoaderOptions { Share = share };
        DataLoader whole = new(data, Batch, options),
            mirrored = new(data, Batch, options with { Transforms = [new RandomHorizontalFlip(1)] });
        return mirrors ? [whole, mirrored] : [whole];
    }

    private static Changed WithNaN(IDataset data, params int[] samples) => new(data, samples);

    // Some samples begin with NaN.
    private sealed class Changed(IDataset data, int[] samples) : IDataset
    {
        public int Count => data.Count;

        public IReadOnlyList<InputShape> InputShapes => data.InputShapes;

        public IReadOnlyList<TargetDescription> Targets => data.Targets;

        public void Read(int index, Sample sample)
        {
            data.Read(index, sample);
            if (samples.Contains(index))
                sample.Input[0] = float.NaN;
        }
    }
}
