using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Serialization;

/// <summary>Trainings in files come back as they were, and what is wrong in one is named.</summary>
public sealed class TrainingJsonTests
{
    private static readonly Normalization s_normalization = new(255, [0.25f], [0.1f]);

    private static readonly SavedTraining s_training = new(
        new TrainingSpec(12, new MulticlassSvm(0.3f), new AdamW(0.8, 0.99, 1e-7, 0.1f)
        {
            Groups =
            [
                new ParameterGroup("*.bias", "bn?.*") { WeightDecay = 0.25f },
                new ParameterGroup("conv1.*") { LearningRateFactor = 0.1f },
            ],
        })
        { Seed = ulong.MaxValue - 3, KeepGradients = false, InputGradient = true },
        new TrainerOptions
        {
            Epochs = 7,
            LearningRate = 0.1f,
            Schedule = new CosineSchedule(),
            StopAtNonFiniteLoss = false,
        },
        new DataLoaderOptions
        {
            Seed = 5,
            Shuffle = true,
            DropLast = true,
            Transforms = [new RandomCrop((5, 6), (2, 1)), s_normalization, new RandomHorizontalFlip(0.1)],
        },
        1234, new TrainingProgress(new LoaderPosition(3, 4), 48, 1 / 3.0,
            [new OutputProgress(null, 1 / 3.0, 48, 17)]))
    {
        Data = "digits",
    };

    public static IEnumerable<Optimizer> Optimizers => OptimizerCases.All.Select(each => each.Optimizer);

    [Test]
    public void ATrainingComesBackAsItWas()
    {
        SavedTraining read = Read(Write(s_training));
        Assert.Multiple(() =>
        {
            Assert.That(read.Spec with { Optimizer = s_training.Spec.Optimizer }, Is.EqualTo(s_training.Spec));
            Assert.That($"{read.Spec.Optimizer}", Is.EqualTo($"{s_training.Spec.Optimizer}"));
            Assert.That(read.Options, Is.EqualTo(s_training.Options));
            Assert.That(read.Loader.Transforms, Is.EqualTo(s_training.Loader.Transforms));
            Assert.That(read.Loader with { Transforms = [], BatchTransforms = [] }, Is.EqualTo(s_training.Loader with
            {
                Transforms = [],
                BatchTransforms = [],
            }));
            Assert.That(read.Loader.BatchTransforms, Is.Empty);
            Assert.That((read.Samples, read.Data, read.Progress), Is.EqualTo((1234, "digits", s_training.Progress)));
        });
    }

    [Test]
    public void AFormerNameSelectsItsKind()
    {
        string json = Write(s_training), former = json
            .Replace("\"randomhorizontalflip\"", "\"horizontalFlip\"").Replace("\"randomcrop\"", "\"crop\"");
        Assert.That(former, Is.Not.EqualTo(json));
        Assert.That(Read(former).Loader.Transforms, Is.EqualTo(s_training.Loader.Transforms));
    }

    [TestCaseSource(nameof(Optimizers))]
    public void EveryOptimizerComesBack(Optimizer optimizer)
    {
        SavedTraining made = s_training with { Spec = s_training.Spec with { Optimizer = optimizer } };
        Assert.That($"{Read(Write(made)).Spec.Optimizer}", Is.EqualTo($"{optimizer}"));
    }

    [Test]
    public void EverySamplerAndBatchTransformComesBack()
    {
        BatchTransform[] mixing = [new MixUp(0.2), new CutMix(3)];
        Assert.That(mixing.Select(each => each.Declaration!.Kind),
            Is.EquivalentTo(BatchTransform.BuiltIn.Declarations.Select(each => each.Kind)));
        foreach (Sampler sampler in (Sampler[])[new ClassBalancedSampler(40), new WeightedRandomSampler(
            (float[])[0.1f, 2, 0], perClass: true, numSamples: 7, replacement: false)])
        {
            SavedTraining made = s_training with
            {
                Loader = s_training.Loader with { Shuffle = false, Sampler = sampler, BatchTransforms = mixing },
            };
            DataLoaderOptions read = Read(Write(made)).Loader;
            Assert.That(read.Sampler, Is.EqualTo(sampler));
            Assert.That(read.BatchTransforms, Is.EqualTo(mixing));
        }
    }

    [Test]
    public void EveryLossAndScheduleComesBack()
    {
        foreach (Loss loss in LossCases.All)
        {
            SavedTraining made = s_training with { Spec = s_training.Spec with { Losses = loss } };
            Assert.That(Read(Write(made)).Spec.Losses[0].Loss, Is.EqualTo(loss));
        }
        var several = Losses.Of(("class", new SoftmaxCrossEntropy()), ("box", new MeanSquaredError(), 0.25f));
        Assert.That(Read(Write(s_training with { Spec = s_training.Spec with { Losses = several } })).Spec.Losses,
            Is.EqualTo(several));
        Assert.That(Loss.BuiltIn.Declarations.Select(each => Loss.BuiltIn.Make(each.Kind).GetType()),
            Is.EquivalentTo(Concrete(typeof(Loss))));
        Assert.That(LearningRateSchedule.BuiltIn.Declarations.Select(each => each.Kind).Order(),
            Is.EqualTo(Schedules.Select(schedule => schedule.Declaration?.Kind).OfType<string>().Order()));
        Assert.That(Schedules.Select(each => each.GetType()), Is.EquivalentTo(Concrete(typeof(LearningRateSchedule))));
        foreach (LearningRateSchedule schedule in Schedules)
        {
            SavedTraining made = s_training with { Options = s_training.Options with { Schedule = schedule } };
            Assert.That(Read(Write(made)).Options.Schedule, Is.EqualTo(schedule));
        }
    }

    private static IReadOnlyList<LearningRateSchedule> Schedules =>
    [
        new ConstantSchedule(), new StepSchedule(3, 0.5, ScheduleUnit.Steps), new MultiStepSchedule([2, 5]),
        new ExponentialSchedule(0.75), new PolynomialSchedule(2, 4), new LinearSchedule(0.1, 2, 3),
        new CosineSchedule(0.01, 7), new CosineRestartsSchedule(3, 2, 0.01),
        new OneCycleSchedule(0.25, 10, 100, true, true), new PlateauSchedule(EpochMetric.TestAccuracy, 0.5, 1, 0.01,
            true, 2, 1e-3, 1e-6),
        new SequentialSchedule([new LinearSchedule(), new SequentialSchedule([new ConstantSchedule(),
            new CosineSchedule()], [2], ScheduleUnit.Steps)], [5]),
    ];

    [Test]
    public void AveragingAndTheResultsOfEpochsComeBack()
    {
        foreach (WeightAveraging averaging in (WeightAveraging[])[new ExponentialAveraging(0.99, 3, false),
            new StochasticAveraging(0.5, 2)])
        {
            SavedTraining made = s_training with
            {
                Options = s_training.Options with { Averaging = averaging },
                Progress = s_training.Progress with
                {
                    Averaged = 7,
                    Epochs = [new EpochResult(0.1, 0.5) { TrainAccuracy = 0.25, TestLoss = 2, Completed = true },
                        new EpochResult(double.NaN, null)],
                },
            };
            SavedTraining read = Read(Write(made));
            Assert.That(read.Options.Averaging, Is.EqualTo(averaging));
            Assert.That(read.Progress, Is.EqualTo(made.Progress));
        }
        Assert.That(WeightAveraging.BuiltIn.Declarations.Select(each => WeightAveraging.BuiltIn.Make(each.Kind)
            .GetType()), Is.EquivalentTo(Concrete(typeof(WeightAveraging))));
    }

    [Test]
    public void ALossThatIsNotFiniteSoFarComesBack()
    {
        SavedTraining made = s_training with { Progress = s_training.Progress with { LossSum = double.NaN } };
        Assert.That(Read(Write(made)).Progress.LossSum, Is.NaN);
    }

    [TestCase("\"sgd\"", "\"sdg\"", "optimizer \"sdg\" is unknown; use one of sgd, adam, adamw, nadam, rmsprop, "
        + "adagrad, lion, lamb, lars, muon")]
    [TestCase("\"momentum\":0.5", "\"momentum\":1.5", "optimizer: sgd: momentum 1.5 is not in [0, 1)")]
    [TestCase("\"momentum\":0.5", "\"momentun\":0.5", "\"momentun\" is unknown")]
    [TestCase("\"batchSize\":12", "\"batchSize\":0", "\"batchSize\" is 0")]
    [TestCase("\"epoch\":3", "\"epoch\":0", "\"epoch\" must be at least 1")]
    [TestCase("\"lossSum\":\"0.5\"", "\"lossSum\":\"half\"", "\"lossSum\" is \"half\"")]
    [TestCase("\"randomcrop\"", "\"cut\"",
        "transforms[0]: the transform \"cut\" is unknown; use one of randomhorizontalflip")]
    [TestCase("\"cosine\"", "\"sine\"", "schedule \"sine\" is unknown; use one of cosine, constant, step, "
        + "multistep, exponential, polynomial, linear, cosinerestarts, onecycle, plateau")]
    [TestCase("\"patterns\":[\"*\"]", "\"patterns\":[]", "groups[0]: A parameter group needs patterns")]
    [TestCase("\"version\":1", "\"version\":2", "version 2")]
    public void WhatIsWrongIsNamedWithItsPlace(string part, string wrong, string says)
    {
        SavedTraining made = s_training with
        {
            Spec = s_training.Spec with { Optimizer = new Sgd(0.5f) { Groups = [new ParameterGroup("*")] } },
            Progress = s_training.Progress with { LossSum = 0.5 },
        };
        string json = Write(made);
        Assert.That(json, Does.Contain(part));
        Assert.That(() => Read(json.Replace(part, wrong)), Throws.TypeOf<InvalidDataException>()
            .With.Message.StartsWith("here").And.Message.Contains(says));
    }

    [Test]
    public void WhatHasNoFormIsNamed()
    {
        SavedTraining mine = s_training with
        {
            Spec = s_training.Spec with { Optimizer = new UndeclaredSgd() },
        };
        Assert.That(() => Write(mine), Throws.TypeOf<NotSupportedException>().With.Message.Contains("UndeclaredSgd"));
        SavedTraining other = s_training with
        {
            Loader = s_training.Loader with { Transforms = [new Normalization(1, [0f], [1f])] },
        };
        Assert.That(() => Write(other), Throws.TypeOf<NotSupportedException>().With.Message.Contains("Normalization"));
    }

    [Test]
    public void TheBatchesOfAnEpochThatHasBegunCannotChange()
    {
        PixelSet images = TinyData.Images(90, 1);
        var training = new SavedTraining(new TrainingSpec(8, new SoftmaxCrossEntropy(), new Sgd()),
            new TrainerOptions(), new DataLoaderOptions { Shuffle = true, Seed = 1 }, 90,
            new TrainingProgress(new LoaderPosition(2, 3), 24, 0, []));
        training.CheckFor(new DataLoader(images, 8, training.Loader with { Workers = 4 }));
        Refused(new DataLoader(images, 9, training.Loader), "batch 3 of epoch 2",
            "the batch size was 8; the loader has 9");
        Refused(new DataLoader(images, 8, training.Loader with { Seed = 2 }), "the seed was 1; the loader has 2");
        Refused(new DataLoader(images, 8, training.Loader with { Shuffle = false }), "Shuffle was True");
        Refused(new DataLoader(images, 8, training.Loader with { DropLast = true }), "DropLast was False");
        Refused(new DataLoader(images, 8, training.Loader with { BatchTransforms = [new MixUp()] }),
            "batch transforms was none; the loader has MixUp { Alpha = 1 }");
        Refused(new DataLoader(images, 8, training.Loader with
        {
            Shuffle = false,
            Sampler = new ClassBalancedSampler(),
        }), "the sampler was none; the loader has ClassBalancedSampler { NumSamples = 0 }");
        Refused(new DataLoader(images, 8, training.Loader with { Transforms = [new RandomHorizontalFlip()] }),
            "transforms");
        Refused(new DataLoader(TinyData.Images(91, 1), 8, training.Loader),
            "the number of samples was 90; the loader has 91");
        SavedTraining between = training with { Progress = TrainingProgress.Start with { Position = new(2, 0) } };
        between.CheckFor(new DataLoader(images, 9, training.Loader));

        void Refused(DataLoader loader, params string[] says)
        {
            string message = Assert.Throws<ArgumentException>(() => training.CheckFor(loader))!.Message;
            foreach (string each in says)
                Assert.That(message, Does.Contain(each));
        }
    }

    private static IEnumerable<Type> Concrete(Type kind)
        => kind.Assembly.GetTypes().Where(type => type.IsSubclassOf(kind) && !type.IsAbstract);

    private static string Write(SavedTraining training) => TrainingJson.Write(training, s_normalization);

    private static SavedTraining Read(string json)
        => TrainingJson.Read(json, "here", s_normalization, new TrainingKinds());

    private sealed record UndeclaredSgd : ElementwiseOptimizer
    {
        public override IReadOnlyList<string> StateNames => [];

        public override void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
        {
        }
    }
}
