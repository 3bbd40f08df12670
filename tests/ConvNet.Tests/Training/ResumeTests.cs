using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Training;

/// <summary>A training that was interrupted goes on from its file as if it had never stopped.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class ResumeTests(BackendCase backend)
{
    private const int Batch = 8, Epochs = 3;
    private const float Rate = 0.01f;

    private static readonly PixelSet s_images = TinyData.Images(TinyData.TrainCount, 1);

    private static readonly Normalization s_normalization = Normalization.Of(s_images);

    private static readonly IEnumerable<OptimizerCase> Cases = OptimizerCases.All;

    private static readonly DataLoaderOptions s_usual = new()
    {
        Shuffle = true,
        Seed = 7,
        Transforms = [new RandomHorizontalFlip(0.25), new RandomCrop(6, 1), s_normalization],
    };

    // Torch promises no equal bits from run to run.
    private float Tolerance => backend.Deterministic ? 0 : 1e-4f;

    [TestCaseSource(nameof(Cases))]
    public void ItGoesOnFromTheMiddleOfAnEpochBitForBit(object @case)
    {
        var of = (OptimizerCase)@case;
        using var folder = new TemporaryFolder();
        string file = folder.File("half.safetensors");
        TrainingSpec spec = Spec(of.Optimizer);
        (TrainingResult whole, TrainingState expected) = Whole(backend, spec);
        Interrupted(backend, spec, file, steps: 17);

        SavedModel saved = SavedModel.Load(file);
        SavedTraining training = saved.Training!;
        Assert.That(training.Progress.Position, Is.EqualTo(new LoaderPosition(2, 5)));
        Assert.That(training.Spec, Is.EqualTo(spec with { Optimizer = training.Spec.Optimizer }));
        (TrainingResult rest, TrainingState got) = GoOn(backend, saved);
        AssertEqual(got, expected, Tolerance);
        Assert.That(rest.Epochs.Select(epoch => epoch.Epoch), Is.EqualTo((int[])[2, 3]));
        Assert.That(rest.Epochs.Select(epoch => epoch.Loss),
            Is.EqualTo(whole.Epochs.Skip(1).Select(epoch => epoch.Loss)).Within(backend.Deterministic ? 0 : 1e-4));
        Assert.That(rest.Epochs.Select(epoch => epoch.TrainAccuracy),
            Is.EqualTo(whole.Epochs.Skip(1).Select(epoch => epoch.TrainAccuracy))
                .Within(backend.Deterministic ? 0 : 0.1));
    }

    [Test]
    public void ItGoesOnWithAllTransformsMixedBatchesAndASampler([Values] bool balanced)
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("half.safetensors");
        TrainingSpec spec = Spec(new Sgd(0.9f)) with { Losses = new SoftmaxCrossEntropy(SoftTargets: true) };
        DataLoaderOptions options = s_usual with
        {
            Shuffle = false,
            Sampler = balanced ? new ClassBalancedSampler()
                : new WeightedRandomSampler((float[])[1, 2, 4], perClass: true, numSamples: TinyData.TrainCount),
            Transforms =
            [
                .. TransformCases.Strong(TinyData.Shape, s_images.MaxValue)
                    .Where(transform => transform is not RandomResizedCrop).Append(new RandomResizedCrop(6))
                    .Append(s_normalization).Select(transform => (InputTransform)transform),
            ],
            BatchTransforms = [new MixUp(0.4), new CutMix()],
        };
        (_, TrainingState expected) = Whole(backend, spec, options);
        Interrupted(backend, spec, file, steps: 17, options);

        SavedModel saved = SavedModel.Load(file);
        Assert.That(saved.Training!.Progress.Position, Is.EqualTo(new LoaderPosition(2, 5)));
        (_, TrainingState got) = GoOn(backend, saved);
        AssertEqual(got, expected, Tolerance);
    }

    [Test]
    public void ItGoesOnOnAnotherBackendWithinRounding()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("half.safetensors");
        TrainingSpec spec = Spec(new Adam(epsilon: 1e-4));
        var managed = new BackendCase("managed", threads => new ManagedBackend(threads));
        (_, TrainingState expected) = Whole(managed, spec);
        Interrupted(managed, spec, file, steps: 17);
        (_, TrainingState got) = GoOn(backend, SavedModel.Load(file));
        AssertEqual(got, expected, 1e-3f);
    }

    private static TrainingSpec Spec(Optimizer optimizer)
    {
        var biases = new ParameterGroup("*.bias") { WeightDecay = 0, LearningRateFactor = 2 };
        return new TrainingSpec(Batch, new SoftmaxCrossEntropy(), optimizer with { Groups = [biases] })
        {
            KeepGradients = false,
            Seed = 7,
        };
    }

    private static DataLoader Loader(DataLoaderOptions? options) => new(s_images, Batch, options ?? s_usual);

    private static TrainerOptions Options() => new()
    {
        Epochs = Epochs,
        LearningRate = Rate,
        Schedule = new CosineSchedule(),
    };

    private static (TrainingResult Result, TrainingState State) Whole(BackendCase backend, TrainingSpec spec,
        DataLoaderOptions? options = null)
    {
        using IBackend opened = backend.Open(threads: 1);
        using IExecutable network = opened.Compile(Network(), spec);
        network.Initialize(new HeNormal(5));
        TrainingResult result = new Trainer(network, Options()).Train(Loader(options));
        return (result, network.SaveState());
    }

    private static void Interrupted(BackendCase backend, TrainingSpec spec, string file, int steps,
        DataLoaderOptions? loaderOptions = null)
    {
        using IBackend opened = backend.Open(threads: 1);
        using IExecutable network = opened.Compile(Network(), spec);
        network.Initialize(new HeNormal(5));
        using var stop = new CancellationTokenSource();
        var trainer = new Trainer(network, Options() with
        {
            OnStep = step =>
            {
                if (step.Step == steps)
                    stop.Cancel();
            },
        });
        DataLoader loader = Loader(loaderOptions);
        Assert.That(() => trainer.Train(loader, cancellation: stop.Token),
            Throws.InstanceOf<OperationCanceledException>());
        SavedModel.Save(file, network, s_normalization, training:
            new SavedTraining(spec, Options(), loader.Options, s_images.Count, trainer.Progress));
    }

    private static (TrainingResult Result, TrainingState State) GoOn(BackendCase backend, SavedModel saved)
    {
        SavedTraining training = saved.Training!;
        using IBackend opened = backend.Open(threads: 1);
        using IExecutable network = opened.Compile(saved.Graph, training.Spec);
        saved.LoadStateInto(network);
        var loader = new DataLoader(s_images, training.Spec.BatchSize, training.Loader with { Workers = 3 });
        training.CheckFor(loader);
        TrainingResult result = new Trainer(network, training.Options).Train(loader, from: training.Progress);
        return (result, network.SaveState());
    }

    private static void AssertEqual(TrainingState got, TrainingState expected, float tolerance)
    {
        Assert.That((got.Step, got.Pass), Is.EqualTo((expected.Step, expected.Pass)));
        Assert.That(got.Tensors.Select(t => t.Name), Is.EqualTo(expected.Tensors.Select(t => t.Name)));
        foreach ((NamedTensor own, NamedTensor other) in got.Tensors.Zip(expected.Tensors))
            Assert.That(own.Values, Is.EqualTo(other.Values).Within(tolerance), own.Name);
    }

    private static Graph Network() => Sequential.Of(TinyData.Shape, new Conv2d(5, 3, padding: 1), new BatchNorm2d(),
        new Relu(), new Dropout(0.25f), new Flatten(), new Linear(TinyData.Classes));
}
