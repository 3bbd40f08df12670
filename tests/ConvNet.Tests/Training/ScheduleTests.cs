using ConvNet.Data;
using ConvNet.Tests.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Training;

/// <summary>Schedules where PyTorch's differ or have no counterpart, and what the trainer tells them.</summary>
public sealed class ScheduleTests
{
    [Test]
    public void ADecayStaysAtItsEnd()
    {
        var cosine = new CosineSchedule(minimum: 0.125, length: 2);
        double[] rates = [.. Enumerable.Range(0, 5).Select(step => cosine.Rate(1, new SchedulePoint(step, 5, 1)))];
        Assert.That(rates, Is.EqualTo((double[])[1, 0.5625, 0.125, 0.125, 0.125]).Within(1e-15));
        Assert.That(new ConstantSchedule().Rate(0.1, new SchedulePoint(3, 5, 1)), Is.EqualTo(0.1));
    }

    [Test]
    public void AScheduleOfTheWholeTrainingFillsItsSection()
    {
        var sequence = new SequentialSchedule([new LinearSchedule(0, 1, length: 0), new PolynomialSchedule()], [2]);
        double[] rates = [.. Enumerable.Range(0, 12).Select(step => sequence.Rate(1, new SchedulePoint(step, 12, 2)))];
        Assert.That(rates, Is.EqualTo((double[])[0, 0.25, 0.5, 0.75, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])
            .Within(1e-15));
    }

    [Test]
    public void APlateauAfterAMilestoneKnowsTheEpochsFromThereOn()
    {
        var plateau = new PlateauSchedule(factor: 0.5, patience: 0);
        var sequence = new SequentialSchedule([new ConstantSchedule(), plateau], [2]);
        EpochResult[] results = [new(1, null), new(2, null), new(3, null), new(3, null), new(1, null), new(1, null)];
        double[] rates = [.. Enumerable.Range(0, 7).Select(epoch => sequence.Rate(1, new SchedulePoint(epoch, 7, 1)
        {
            Results = [.. results.Take(epoch)],
        }))];
        Assert.That(rates, Is.EqualTo((double[])[1, 1, 1, 1, 0.5, 0.5, 0.25]));
    }

    [Test]
    public void OptionsThatContradictAreRefused()
    {
        Assert.That(() => new MultiStepSchedule([3, 3]), Throws.ArgumentException.With.Message.Contains("3 follows 3"));
        Assert.That(() => new MultiStepSchedule([]), Throws.InstanceOf<ArgumentException>());
        Assert.That(() => new OneCycleSchedule(rise: 0.5, threePhases: true),
            Throws.InstanceOf<ArgumentException>());
        Assert.That(() => new SequentialSchedule([new ConstantSchedule(), new CosineSchedule()], [1, 2]),
            Throws.ArgumentException.With.Message.Contains("2 schedules and 2 milestones"));
        Assert.That(() => new StepSchedule(0), Throws.InstanceOf<ArgumentException>()
            .With.Message.Contains("step: size 0"));
    }

    [Test]
    public void TheTrainerFeedsAPlateauAndSavesWhatItKnows()
    {
        PixelSet images = TinyData.Images(TinyData.TrainCount, 1);
        var loader = new DataLoader(images, 8, new DataLoaderOptions { Transforms = [Normalization.Of(images)] });
        // No accuracy is more than twice the best, so that every epoch after the first halves the rate.
        var schedule = new PlateauSchedule(EpochMetric.TestAccuracy, factor: 0.5, patience: 0, threshold: 1);
        var options = new TrainerOptions { Epochs = 4, LearningRate = 0.5f, Schedule = new Recording(schedule, []) };
        using var backend = new ManagedBackend();
        Graph graph = Sequential.Of(TinyData.Shape, new Flatten(), new Linear(TinyData.Classes));
        using IExecutable net = backend.Compile(graph, new TrainingSpec(8, new SoftmaxCrossEntropy(), new Sgd()));
        net.Initialize(new HeNormal(1));
        var trainer = new Trainer(net, options);
        Assert.That(() => trainer.Train(loader), Throws.ArgumentException.With.Message.Contains("no test samples"));
        trainer.Train(loader, loader);
        List<double> rates = ((Recording)options.Schedule).Rates;
        Assert.That(rates.Where((_, step) => step % loader.BatchCount == 0),
            Is.EqualTo((double[])[0.5, 0.5, 0.25, 0.125]));
        Assert.That(trainer.Progress.Epochs, Has.Count.EqualTo(4));
        Assert.That(trainer.Progress.Epochs.Select(epoch => epoch.TestAccuracy), Has.All.Not.Null);
    }

    private sealed record Recording(LearningRateSchedule Inner, List<double> Rates) : LearningRateSchedule
    {
        public override EpochMetric? Metric => Inner.Metric;

        public override double Rate(double initial, in SchedulePoint point)
        {
            Rates.Add(Inner.Rate(initial, point));
            return Rates[^1];
        }
    }
}
