using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Training;

/// <summary>Trainer and evaluation with several inputs and outputs, on every backend.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class SeveralOutputsTests(BackendCase backend)
{
    private const int Count = 22, Batch = 8, Epochs = 2;

    private static readonly Losses s_losses = Losses.Of(("class", new SoftmaxCrossEntropy()),
        ("mask", new SoftmaxCrossEntropy(PerPixel: true), 0.5f), ("box", new MeanSquaredError(), 0.25f));

    private static readonly float[] s_images = Samples.Uniform(Count * 36, 1),
        s_positions = Samples.Uniform(Count * 2, 2), s_boxes = Samples.Uniform(Count * 4, 3);

    private static readonly int[] s_labels = Samples.Labels(Count, 3, 4), s_pixels = Samples.Labels(Count * 36, 2, 5),
        s_kinds = Samples.Labels(Count, 2, 6);

    private static readonly ArrayDataset s_data = new(
        [("position", Shape.Vector(2), s_positions), ("image", new Shape(1, 6, 6), s_images)],
        [("kind", 2, s_kinds), ("box", s_boxes), ("mask", 2, s_pixels), ("class", 3, s_labels)]);

    private static readonly TrainerOptions s_options = new() { Epochs = Epochs, LearningRate = 0.05f };

    // Torch promises no equal bits from run to run.
    private double Tolerance => backend.Deterministic ? 0 : 1e-4;

    [Test]
    public void ATrainingIsTheStepsMadeByHand()
    {
        using IBackend opened = backend.Open();
        using IExecutable trained = Compile(opened), byHand = Compile(opened);
        TrainingResult result = new Trainer(trained, s_options).Train(Loader(), Loader());
        var own = new Dictionary<string, (double Loss, double Right)>();
        double total = 0;
        for (int epoch = 1; epoch <= Epochs; epoch++)
        {
            (own, total) = ([], 0);
            foreach (string output in (string[])["class", "mask", "box", "kind"])
                own[output] = (0, 0);
            foreach (Batch batch in Loader().Epoch(epoch))
            {
                int n = batch.Count;
                float[] classes = new float[n * 3], mask = new float[n * 72], kind = new float[n * 2];
                double loss = byHand.TrainStep(
                    BatchValues.Of(("image", batch.InputOf("image").ToArray()),
                        ("position", batch.InputOf("position").ToArray())),
                    Targets.Of(("class", batch.ClassesOf("class").ToArray()),
                        ("mask", batch.ClassesOf("mask").ToArray()), ("box", batch.ValuesOf("box").ToArray())),
                    s_options.LearningRate, BatchBuffers.Of(("class", classes), ("mask", mask), ("kind", kind)));
                total += loss * n;
                Note("class", byHand.ReadLoss("class"), Right(classes, 3, 1, batch.ClassesOf("class")), n);
                Note("mask", byHand.ReadLoss("mask"), Right(mask, 2, 36, batch.ClassesOf("mask")) / 36.0, n);
                Note("box", byHand.ReadLoss("box"), 0, n);
                Note("kind", 0, Right(kind, 2, 1, batch.ClassesOf("kind")), n);
            }
        }
        AssertSame(trained, byHand);
        EpochReport last = result.Epochs[^1];
        Assert.That(last.Loss, Is.EqualTo(total / Count).Within(Math.Max(Tolerance, 1e-12)));
        Assert.That(last.TrainAccuracy, Is.Null, "three outputs have an accuracy");
        Assert.That(last.Outputs.Select(output => output.Output),
            Is.EqualTo((string[])["class", "mask", "box", "kind"]), "as the graph lists them");
        foreach (OutputReport output in last.Outputs)
        {
            (double loss, double right) = own[output.Output];
            Assert.That(output.Loss, output.Output == "kind" ? Is.Null
                : Is.EqualTo(loss / Count).Within(Math.Max(Tolerance, 1e-12)), output.Output);
            Assert.That(output.Accuracy, output.Output == "box" ? Is.Null
                : Is.EqualTo(right / Count).Within(backend.Deterministic ? 1e-12 : 0.1), output.Output);
        }

        void Note(string output, double loss, double right, int n)
            => own[output] = (own[output].Loss + loss * n, own[output].Right + right);
    }

    [Test]
    public void AnEvaluationMeasuresEachOutput()
    {
        using IBackend opened = backend.Open();
        using IExecutable net = opened.CompileInference(Describe(), Count);
        net.Initialize(new HeNormal(2));
        float[] classes = new float[Count * 3], mask = new float[Count * 72], box = new float[Count * 4];
        net.Infer(BatchValues.Of(("image", s_images), ("position", s_positions)),
            BatchBuffers.Of(("class", classes), ("mask", mask), ("box", box)));
        var evaluation = Evaluation.Of(net, new DataLoader(s_data, 5));
        var byClass = (ClassEvaluation)evaluation["class"];
        var byPixel = (ClassEvaluation)evaluation["mask"];
        var byValue = (ValueEvaluation)evaluation["box"];
        Assert.Multiple(() =>
        {
            Assert.That(evaluation.Count, Is.EqualTo(Count));
            Assert.That(evaluation.Outputs.Select(of => of.Output),
                Is.EqualTo((string[])["class", "mask", "box", "kind"]));
            Assert.That((byClass.Count, byClass.Correct),
                Is.EqualTo(((long)Count, (long)Right(classes, 3, 1, s_labels))));
            Assert.That((byPixel.Count, byPixel.Correct),
                Is.EqualTo((36L * Count, (long)Right(mask, 2, 36, s_pixels))));
            Assert.That(byPixel[0, 0] + byPixel[1, 1], Is.EqualTo(byPixel.Correct));
            Assert.That(byPixel[1, 0] + byPixel[1, 1], Is.EqualTo(s_pixels.Sum()));
            Assert.That(byValue.MeanSquaredError,
                Is.EqualTo(box.Zip(s_boxes, (y, t) => Math.Pow((double)y - t, 2)).Average()).Within(1e-6));
            Assert.That(byValue.MeanAbsoluteError,
                Is.EqualTo(box.Zip(s_boxes, (y, t) => Math.Abs((double)y - t)).Average()).Within(1e-6));
            Assert.That(() => evaluation.Accuracy, Throws.InvalidOperationException
                .With.Message.Contains("4 outputs, class, mask, box, kind"));
            Assert.That(() => evaluation["bx"], Throws.ArgumentException.With.Message.Contains("\"box\"?"));
        });
    }

    [Test]
    public void ASampleThatIsNotFiniteInAnyOutputIsCountedOnce()
    {
        float[] images = [.. s_images];
        (images[3 * 36], images[7 * 36 + 5]) = (float.NaN, float.PositiveInfinity);
        var data = new ArrayDataset([("image", new Shape(1, 6, 6), images),
            ("position", Shape.Vector(2), s_positions)], [("mask", 2, s_pixels), ("class", 3, s_labels)]);
        using IBackend opened = backend.Open();
        using IExecutable net = opened.CompileInference(Describe(), Count);
        net.Initialize(new HeNormal(2));
        var evaluation = Evaluation.Of(net, new DataLoader(data, 5));
        Assert.That((evaluation.NotFinite, evaluation.FirstNotFinite), Is.EqualTo((2, (int?)3)));
        Assert.That(evaluation["class"].NotFinite, Is.EqualTo(2));
        NonFiniteLossException error = Assert.Throws<NonFiniteLossException>(() =>
        {
            using IExecutable trained = Compile(opened, Losses.Of(("class", new SoftmaxCrossEntropy())));
            new Trainer(trained, s_options).Train(new DataLoader(data, Batch));
        })!;
        Assert.That(error.Message, Does.Contain("image 3 of \"image\""));
    }

    [Test]
    public void ATrainingGoesOnFromTheMiddleOfAnEpoch()
    {
        using var folder = new TemporaryFolder();
        using IBackend opened = backend.Open();
        using IExecutable whole = Compile(opened), half = Compile(opened);
        TrainingResult expected = new Trainer(whole, s_options).Train(Loader());
        using var stop = new CancellationTokenSource();
        var trainer = new Trainer(half, s_options with
        {
            OnStep = step =>
            {
                if (step.Step == 5)
                    stop.Cancel();
            },
        });
        DataLoader loader = Loader();
        Assert.That(() => trainer.Train(loader, cancellation: stop.Token),
            Throws.InstanceOf<OperationCanceledException>());
        SavedModel.Save(folder.File("half"), half,
            training: new SavedTraining(half.Spec!, s_options, loader.Options, Count, trainer.Progress));

        SavedModel saved = SavedModel.Load(folder.File("half"));
        SavedTraining training = saved.Training!;
        Assert.That(training.Progress, Is.EqualTo(trainer.Progress));
        Assert.That(training.Loader.Transforms, Is.EqualTo(loader.Options.Transforms));
        using IExecutable again = opened.Compile(saved.Graph, training.Spec);
        saved.LoadStateInto(again);
        var sameLoader = new DataLoader(s_data, Batch, training.Loader);
        training.CheckFor(sameLoader);
        TrainingResult rest = new Trainer(again, training.Options).Train(sameLoader, from: training.Progress);
        AssertSame(again, whole);
        foreach ((OutputReport got, OutputReport want) in rest.Epochs[^1].Outputs.Zip(expected.Epochs[^1].Outputs))
            Assert.That(got.Loss, Is.EqualTo(want.Loss).Within(Tolerance), got.Output);
        var few = new ArrayDataset([("position", Shape.Vector(2), s_positions), ("image", new Shape(1, 6, 6),
            s_images)], [("box", s_boxes), ("mask", 2, s_pixels), ("class", 3, s_labels)]);
        Assert.That(() => new Trainer(again, s_options).Train(new DataLoader(few, Batch, training.Loader),
            from: training.Progress), Throws.ArgumentException
            .With.Message.Contains("results for class, mask, box, kind").And.Message.Contains("class, mask, box."));
    }

    [Test]
    public void ADataSetOfOneTargetTrainsTheOutputThatHasALoss()
    {
        using IBackend opened = backend.Open();
        var losses = Losses.Of(("class", new SoftmaxCrossEntropy()));
        using IExecutable trained = Compile(opened, losses), byHand = Compile(opened, losses);
        var data = new ArrayDataset([("image", new Shape(1, 6, 6), s_images), ("position", Shape.Vector(2),
            s_positions)], [new TargetArray(null, 3, s_labels)]);
        EpochReport epoch = new Trainer(trained, s_options with { Epochs = 1 })
            .Train(new DataLoader(data, Batch), new DataLoader(data, Batch)).Epochs[0];
        foreach (Batch batch in new DataLoader(data, Batch).Epoch(1))
            byHand.TrainStep(batch.Inputs, batch.Targets, s_options.LearningRate);
        AssertSame(trained, byHand);
        Assert.That(epoch.TrainAccuracy, Is.Not.Null.And.EqualTo(epoch.Outputs.Single().Accuracy));
        Assert.That(epoch.TestAccuracy, Is.EqualTo(epoch.Test!.Accuracy));
    }

    [Test]
    public void WhatDoesNotFitIsRefusedBeforeAnythingIsChanged()
    {
        using IBackend opened = backend.Open();
        using IExecutable net = Compile(opened);
        float[][] before = Values(net);
        InputArray image = ("image", new Shape(1, 6, 6), s_images), position = ("position", Shape.Vector(2),
            s_positions);
        TargetArray labels = ("class", 3, s_labels), pixels = ("mask", 2, s_pixels), box = ("box", s_boxes);
        Assert.Multiple(() =>
        {
            Refused([image], [labels, pixels, box], "has an input \"position\"", "it has image");
            Refused([image, position with { Name = "posision" }], [labels, pixels, box],
                "no input of the network \"posision\"", "\"position\"?");
            Refused([new InputArray(null, new Shape(1, 6, 6), s_images)], [labels, pixels, box],
                "2 inputs, image, position", "without a name");
            Refused([image, position with { Shape = new Shape(1, 1, 2) }], [labels, pixels, box],
                "2×1×1 images at \"position\"", "the data set has 1×1×2");
            Refused([image, position], [], "no targets");
            Refused([image, position], [labels, pixels], "\"box\" has a loss", "no target for it; it has class, mask");
            Refused([image, position], [new TargetArray(null, 3, s_labels)], "4 outputs", "without a name");
            Refused([image, position], [("class", s_boxes), pixels, box],
                "SoftmaxCrossEntropy at \"class\" takes one class for each sample, but the data set has values");
            Refused([image, position], [("class", 4, s_labels), pixels, box], "3 outputs at \"class\"", "4 classes");
            Refused([image, position], [labels, ("mask", 2, s_pixels[..(Count * 35)]), box],
                "maps of 6×6 at \"mask\"", "35 pixels");
            Refused([image, position], [labels, pixels, ("box", s_boxes[..(Count * 3)])],
                "4 values at \"box\"", "3 targets");
            Refused([image, position], [labels, pixels, box, ("bx", s_boxes)],
                "no output of the network \"bx\"", "\"box\"?");
        });
        Assert.That(Values(net), Is.EqualTo(before));

        void Refused(InputArray[] inputs, TargetArray[] targets, params string[] says)
        {
            string message = Assert.Throws<ArgumentException>(() => new Trainer(net, s_options)
                .Train(new DataLoader(new ArrayDataset(inputs, targets), Batch)))!.Message;
            foreach (string words in says)
                Assert.That(message, Does.Contain(words));
        }
    }

    private static DataLoader Loader() => new(s_data, Batch, new DataLoaderOptions
    {
        Shuffle = true,
        Seed = 3,
        Transforms = [("image", new RandomHorizontalFlip()), ("image", new RandomCrop(6, 1))],
    });

    private static Graph Describe()
    {
        var graph = new Graph();
        Node image = graph.AddInput("image", new Shape(1, 6, 6)), position = graph.AddInput("position",
            Shape.Vector(2));
        Node features = graph.Append(image, new Conv2d(4, 3, padding: 1), new BatchNorm2d(), new Relu());
        Node both = graph.Add(new Concat(), graph.Append(features, new Flatten(), new Dropout(0.25f)), position);
        graph.SetOutputs(graph.Add("class", new Linear(3), both), graph.Add("mask", new Conv2d(2, 1), features),
            graph.Add("box", new Linear(4), both), graph.Add("kind", new Linear(2), both));
        return graph;
    }

    private static IExecutable Compile(IBackend opened, Losses? losses = null)
    {
        IExecutable net = opened.Compile(Describe(), new TrainingSpec(Batch, losses ?? s_losses, new Sgd(0.9f, 1e-4f))
        {
            KeepGradients = false,
            Seed = 5,
        });
        net.Initialize(new HeNormal(1));
        return net;
    }

    private static float[][] Values(IExecutable net) => [.. net.Graph.Parameters.Select(p => net.Read(p))];

    private void AssertSame(IExecutable got, IExecutable expected)
    {
        foreach ((Parameter own, Parameter other) in got.Graph.Parameters.Zip(expected.Graph.Parameters))
            Assert.That(got.Read(own), Is.EqualTo(expected.Read(other)).Within(Tolerance), own.Name);
    }

    // The number of samples or pixels whose largest score is that of their class.
    private static int Right(float[] scores, int classes, int pixels, ReadOnlySpan<int> labels)
    {
        int right = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            (int sample, int pixel) = (i / pixels, i % pixels);
            float[] own = [.. Enumerable.Range(0, classes)
                .Select(c => scores[(sample * classes + c) * pixels + pixel])];
            right += Array.IndexOf(own, own.Max()) == labels[i] ? 1 : 0;
        }
        return right;
    }
}
