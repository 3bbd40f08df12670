using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Training;

/// <summary>Averages of the weights: their values, what is saved of them, and running statistics of their
/// own.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class AveragingTests(BackendCase backend)
{
    private const int Batch = 8;

    private static readonly PixelSet s_images = TinyData.Images(TinyData.TrainCount, 1);

    private static readonly Normalization s_normalization = Normalization.Of(s_images);

    private static readonly IEnumerable<WeightAveraging> Averagings =
        [new ExponentialAveraging(0.75, 2), new StochasticAveraging(0.25)];

    private IBackend _backend = null!;

    [SetUp]
    public void Open() => _backend = backend.Open(threads: 1);

    [TearDown]
    public void Close() => _backend.Dispose();

    [TestCase(true)]
    [TestCase(false)]
    public void AveragesFollowTheFormula(bool exponential)
    {
        using IExecutable net = Compile();
        var averages = new AveragedWeights(net, exponential ? new ExponentialAveraging(0.75)
            : new StochasticAveraging());
        Assert.That(() => averages.CopyTo(net), Throws.InvalidOperationException);
        double[][] expected = [.. net.Graph.Parameters.Select(p => new double[p.Length])];
        for (int count = 0; count < 5; count++)
        {
            SmallStep(net, count);
            averages.Update();
            foreach (Parameter p in net.Graph.Parameters)
            {
                float[] w = net.Read(p);
                // Stochastic averages take the running statistics of the last weights.
                double share = count == 0 || !exponential && !p.Trainable ? 1 : exponential ? 0.25 : 1.0 / (count + 1);
                for (int i = 0; i < w.Length; i++)
                    expected[p.Index][i] += share * (w[i] - expected[p.Index][i]);
                Assert.That(averages.Values(p).ToArray(), Is.EqualTo(expected[p.Index]).Within(1e-6), p.Name);
            }
        }
        Assert.That(averages.Count, Is.EqualTo(5));
    }

    [Test]
    public void RunningStatisticsBecomeTheMeanOverAllBatches()
    {
        using IExecutable net = Compile();
        DataLoader loader = Loader();
        TrainingState before = net.SaveState();
        RunningStatistics.Update(net, loader);
        TrainingState after = net.SaveState();
        Assert.That((after.Step, after.Pass), Is.EqualTo((before.Step, before.Pass)));
        foreach (NamedTensor tensor in after.Tensors.Where(t => !t.Name.Contains("running", StringComparison.Ordinal)))
            Assert.That(tensor.Values, Is.EqualTo(before.Tensors.Single(t => t.Name == tensor.Name).Values));
        // The input of the layer, computed by hand: the image itself.
        double[] means = [.. loader.Epoch(1).Select(batch =>
        {
            using (batch)
                return batch.Inputs[0].ToArray().Average(v => (double)v);
        })];
        float[] got = after.Tensors.Single(t => t.Name == "bn1.running_mean").Values;
        Assert.That(got, Is.EqualTo((double[])[means.Average()]).Within(1e-5));
    }

    [TestCaseSource(nameof(Averagings))]
    public void AResumedTrainingHasTheSameAverages(WeightAveraging averaging)
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("half.safetensors");
        var options = new TrainerOptions { Epochs = 3, LearningRate = 0.05f, Averaging = averaging };
        using IExecutable whole = Compile();
        var trainer = new Trainer(whole, options);
        TrainingResult result = trainer.Train(Loader(), Loader());
        TrainingState untouched = whole.SaveState();

        using IExecutable first = Compile();
        using var stop = new CancellationTokenSource();
        int last = (2 * Loader().BatchCount) + 1;
        var interrupted = new Trainer(first, options with
        {
            OnStep = step =>
            {
                if (step.Step == last)
                    stop.Cancel();
            },
        });
        Assert.That(() => interrupted.Train(Loader(), Loader(), cancellation: stop.Token),
            Throws.InstanceOf<OperationCanceledException>());
        var training = new SavedTraining(first.Spec!, options, Loader().Options, s_images.Count, interrupted.Progress);
        Assert.That(() => SavedModel.Save(file, first, s_normalization, training: training), Throws.ArgumentException);
        SavedModel.Save(file, first, s_normalization, training: training, averages: interrupted.Averages);

        SavedModel saved = SavedModel.Load(file);
        using IExecutable second = _backend.Compile(saved.Graph, saved.Training!.Spec);
        saved.LoadStateInto(second);
        var resumed = new Trainer(second, saved.Training.Options);
        Assert.That(() => resumed.Train(Loader(), Loader(), saved.Training.Progress),
            Throws.ArgumentException.With.Message.Contains("Load the averages"));
        saved.LoadAveragesInto(resumed.Averages!);
        TrainingResult rest = resumed.Train(Loader(), Loader(), saved.Training.Progress);
        float tolerance = backend.Deterministic ? 0 : 1e-4f;
        Assert.That(resumed.Averages!.Count, Is.EqualTo(trainer.Averages!.Count).And.GreaterThan(1));
        foreach (Parameter p in whole.Graph.Parameters)
            Assert.That(resumed.Averages.Values(second.Graph.Parameters[p.Index]).ToArray(),
                Is.EqualTo(trainer.Averages.Values(p).ToArray()).Within(tolerance), p.Name);
        if (backend.Deterministic)
            Assert.That(rest.Averaged!.Accuracy, Is.EqualTo(result.Averaged!.Accuracy));
        // The evaluation of the averages leaves the training as it was.
        foreach ((NamedTensor own, NamedTensor other) in second.SaveState().Tensors.Zip(untouched.Tensors))
            Assert.That(own.Values, Is.EqualTo(other.Values).Within(tolerance), own.Name);
        using IExecutable inference = _backend.CompileInference(saved.Graph, Batch);
        saved.CopyAveragesTo(inference);
        float[] weight = new float[saved.Graph.Parameters[0].Length];
        inference.Read(saved.Graph.Parameters[0], weight);
        Assert.That(weight, Is.EqualTo(interrupted.Averages!.Values(first.Graph.Parameters[0]).ToArray()));
    }

    private IExecutable Compile()
    {
        Graph graph = Sequential.Of(TinyData.Shape, new BatchNorm2d(), new Conv2d(4, 3), new BatchNorm2d(0.25f),
            new Relu(),
            new Flatten(), new Linear(TinyData.Classes));
        IExecutable net = _backend.Compile(graph, new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Sgd(0.5f))
        {
            KeepGradients = false,
        });
        net.Initialize(new HeNormal(3));
        return net;
    }

    private static void SmallStep(IExecutable net, int seed)
        => net.TrainStep(Samples.Uniform(2 * net.Graph.Input.Shape.Length, seed), (int[])[0, 1], 0.1f);

    private static DataLoader Loader() => new(s_images, Batch, new DataLoaderOptions
    {
        Shuffle = true,
        Seed = 7,
        DropLast = false,
        Transforms = [s_normalization],
    });
}
