using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>What every backend computes for a loss and its gradient.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class LossContract(BackendCase backend)
{
    private static IReadOnlyList<Loss> Losses => LossCases.All;

    private static IReadOnlyList<(int Classes, int N)> Sizes => [(2, 64), (3, 5), (10, 1), (17, 64), (300, 5)];

    [Test]
    public void StaysWithinItsBound([ValueSource(nameof(Losses))] Loss loss,
        [ValueSource(nameof(Sizes))] (int Classes, int N) size)
    {
        (int classes, int n) = size;
        using IBackend opened = backend.Open();
        Reports.AssertPasses(GradientCheck.Run(loss.ForClasses(classes), classes, [opened],
            new GradientCheckOptions { BatchSize = n }));
    }

    [Test]
    public void ExactWhereTheLossPromisesIt([ValueSource(nameof(Losses))] Loss loss, [Values(1, 4, 16)] int n)
    {
        using IBackend opened = backend.Open();
        Reports.AssertPasses(GradientCheck.Run(loss.ForClasses(8), 8, [opened],
            new GradientCheckOptions { BatchSize = n, Modes = CheckModes.Exact }));
    }

    [Test]
    public void TheLossOfASampleIsThatOfABatchOfItsOwn([ValueSource(nameof(Losses))] Loss loss)
    {
        const int N = 4;
        Shape shape = LossCases.ShapeOf(loss);
        Graph graph = LossCases.Identity(shape);
        using IBackend opened = backend.Open();
        using IExecutable net = opened.Compile(graph, Spec(loss, N) with
        {
            Losses = ConvNet.Losses.Of(new OutputLoss(null, loss, 0.5f)),
        });
        float[] x = Samples.Uniform(N * shape.Length, 1);
        Targets targets = LossCases.Targets(loss, shape, graph.Output.Name, N, 2).Targets;
        var losses = new double[N];
        net.InferLosses(x, targets.Weighted([1, 2, 3, 4]), losses);
        for (int i = 0; i < N; i++)
        {
            net.Forward(x.AsSpan(i * shape.Length, shape.Length));
            double own = net.Loss(targets.OfSample(i, loss.TargetsPerSample(shape)));
            Assert.That(losses[i], Is.EqualTo(own).Within(1e-4).Percent, $"sample {i}");
        }
    }

    [Test]
    public void LossesOfSamplesNeedInputTargetsAndRoomThatFit()
    {
        using IBackend opened = backend.Open();
        Graph graph = LossCases.Identity(Shape.Vector(3));
        using IExecutable net = opened.Compile(graph, Spec(new SoftmaxCrossEntropy(), 2));
        var x = new float[6];
        Assert.That(() => net.InferLosses(x, (int[])[0, 3], new double[2]), Throws.ArgumentException);
        Assert.That(() => net.InferLosses(x, (int[])[0, 1], new double[3]),
            Throws.ArgumentException.With.Message.Contains("a batch of 2 samples has 2"));
        Assert.That(() => net.InferLosses(new float[5], (int[])[0, 1], new double[2]), Throws.ArgumentException);
        using IExecutable inference = opened.CompileInference(graph, 2);
        Assert.That(() => inference.InferLosses(x, (int[])[0, 1], new double[2]), Throws.InvalidOperationException);
    }

    [Test]
    public void ABatchInWhichNothingCountsHasTheLossZero([Values] bool perPixel, [Values] Reduction reduction,
        [Values] bool weighted)
    {
        Shape shape = perPixel ? new Shape(3, 2, 5) : Shape.Vector(3);
        var loss = new SoftmaxCrossEntropy(perPixel, 0.1f, weighted ? [1, 2, 3] : default) { Reduction = reduction };
        using IBackend opened = backend.Open();
        using IExecutable net = opened.Compile(LossCases.Identity(shape), Spec(loss, 2));
        int[] labels = new int[2 * shape.Area];
        Array.Fill(labels, -100);
        net.Forward(Samples.Uniform(2 * shape.Length, 1));
        Assert.That(net.Loss(labels), Is.Zero);
        net.Backward();
        var gradient = new float[2 * shape.Length];
        net.ReadInputGradient(gradient);
        Assert.That(gradient, Is.All.Zero);
        var losses = new double[2];
        net.InferLosses(new float[2 * shape.Length], labels, losses);
        Assert.That(losses, Is.All.Zero);
    }

    [Test]
    public void WeightsThatDoNotFitTheClassesAreRefused()
    {
        using IBackend opened = backend.Open();
        Graph graph = LossCases.Identity(Shape.Vector(4));
        foreach (Loss loss in (Loss[])[new SoftmaxCrossEntropy(ClassWeights: [1, 2, 3]),
            new MultiMarginLoss(ClassWeights: [1, 2, 3]), new BinaryCrossEntropyWithLogits([1, 2, 3])])
            Assert.That(() => opened.Compile(graph, Spec(loss, 1)),
                Throws.ArgumentException.With.Message.Contains("has 3").And.Message.Contains("4 classes"));
        Assert.That(() => opened.Compile(LossCases.Identity(new Shape(3, 2, 2)),
            Spec(new SoftmaxCrossEntropy(SoftTargets: true), 1)),
            Throws.ArgumentException.With.Message.Contains("For probabilities per pixel"));
    }

    [Test]
    public void SoftmaxIsWhatTheHandComputes()
    {
        // log(e¹ + e² + e³) − 1 and log(3·e⁰) − 0, their mean.
        double expected = (Math.Log(Math.E + Math.Exp(2) + Math.Exp(3)) - 1 + Math.Log(3)) / 2;
        Assert.That(Loss(new SoftmaxCrossEntropy(), [1, 2, 3, 0, 0, 0], [0, 2]), Is.EqualTo(expected).Within(1e-6));
        Assert.That(Loss(new SoftmaxCrossEntropy(), [1000, 0, -1000], [0]), Is.Zero, "a large score does not overflow");
    }

    [Test]
    public void HingeIsWhatTheHandComputes()
    {
        // Sample 1: max(0, 5.1 − 3.2 + 1) + max(0, −1.7 − 3.2 + 1) = 2.9; sample 2: 0; sample 3: (2.2 + 3.1 + 1) + (2.5
        // + 3.1 + 1) = 12.9.
        double loss = Loss(new MulticlassSvm(), [3.2f, 5.1f, -1.7f, 1.3f, 4.9f, 2.0f, 2.2f, 2.5f, -3.1f], [0, 1, 2]);
        Assert.That(loss, Is.EqualTo((2.9 + 0 + 12.9) / 3).Within(1e-6));
    }

    [Test]
    public void AtTheHingeTheGradientIsZero()
    {
        using IBackend opened = backend.Open();
        using IExecutable executable = opened.Compile(Sequential.Of(Shape.Vector(3), new Flatten()),
            Spec(new MulticlassSvm(), 1));
        executable.Forward((float[])[2, 1, 1.5f]);
        Assert.That(executable.Loss((int[])[0]), Is.EqualTo(0.5));
        executable.Backward();
        var gradient = new float[3];
        executable.ReadInputGradient(gradient);
        Assert.That(gradient, Is.EqualTo(new float[] { -1, 0, 1 }));
    }

    [Test]
    public void NaNReachesTheLoss([ValueSource(nameof(Losses))] Loss loss)
    {
        using IBackend opened = backend.Open();
        using IExecutable executable = opened.Compile(Sequential.Of(Shape.Vector(3), new Flatten()), Spec(loss, 1));
        executable.Forward((float[])[1, float.NaN, 2]);
        Assert.That(executable.Loss(loss.Takes == TargetKind.Values ? (float[])[1f, 2f, 3f] : (int[])[0]), Is.NaN);
    }

    /// <summary>Scores of a sample that are not finite, and its label.</summary>
    private static IEnumerable<TestCaseData> NotFinite()
    {
        float[] values = [0, 1, float.PositiveInfinity, float.NegativeInfinity, float.NaN];
        foreach (Loss loss in (Loss[])[new SoftmaxCrossEntropy(), new MulticlassSvm(), new MeanSquaredError()])
        {
            foreach (float own in values)
            {
                foreach (float other in values)
                    yield return new TestCaseData(loss, own, other)
                        .SetArgDisplayNames(loss.GetType().Name, $"{own}", $"{other}");
            }
        }
    }

    [TestCaseSource(nameof(NotFinite))]
    public void ScoresThatAreNotFiniteGiveWhatTheFormulaGives(Loss loss, float own, float other)
    {
        // The sample between two finite ones, whose gradients must stay as they are.
        float[] scores = [0.5f, -1, 2, other, own, 0.25f, 1, 0, -2], targets = [1, 0, 0, 0, 1, 0, 0, 0, 1];
        int[] labels = [0, 1, 2];
        using IBackend opened = backend.Open();
        using IExecutable net = opened.Compile(Sequential.Of(Shape.Vector(3), new Flatten()), Spec(loss, 3));
        net.Forward(scores);
        double got = net.Loss(loss.Takes == TargetKind.Values ? targets : labels);
        net.Backward();
        var gradient = new float[scores.Length];
        net.ReadInputGradient(gradient);
        (double expected, double[] expectedGradient) = Formula(loss, scores, labels, targets);
        Assert.Multiple(() =>
        {
            Assert.That(got, Is.EqualTo(expected).Within(1e-5).Percent, "loss");
            for (int i = 0; i < gradient.Length; i++)
                Assert.That(gradient[i], Is.EqualTo(expectedGradient[i]).Within(1e-6), $"gradient {i}");
        });
    }

    [Test]
    public void AWeightOfTwoIsASampleThatIsThereTwice([ValueSource(nameof(Losses))] Loss loss)
    {
        Shape shape = LossCases.ShapeOf(loss);
        int each = loss.TargetsPerSample(shape);
        float[] x = Samples.Uniform(3 * shape.Length, 1),
            values = Array.ConvertAll(Samples.Uniform(3 * each, 2), Math.Abs);
        int[] labels = Samples.Labels(3 * each, 3, 3);
        // The second of three samples counts for nothing, the last twice.
        (double weighted, float[] gradient) = Run(x, Of(values, labels), [1, 0, 2]);
        (double repeated, float[] expected) =
            Run(Repeat(x, shape.Length), Of(Repeat(values, each), Repeat(labels, each)), null);
        Assert.That(weighted, Is.EqualTo(repeated).Within(1e-4).Percent);
        for (int i = 0; i < shape.Length; i++)
        {
            Assert.That(gradient[i], Is.EqualTo(expected[i]).Within(4e-6), $"value {i} of the first sample");
            Assert.That(gradient[shape.Length + i], Is.Zero, $"value {i} of the sample without weight");
            Assert.That(gradient[2 * shape.Length + i], Is.EqualTo(2 * expected[shape.Length + i]).Within(4e-6),
                $"value {i} of the last");
        }

        KeptTargets Of(float[] floats, int[] classes)
            => loss.Takes == TargetKind.Values ? new KeptTargets(null, floats) : new KeptTargets(classes, null);

        static T[] Repeat<T>(T[] all, int length) => [.. all[..length], .. all[(2 * length)..], .. all[(2 * length)..]];

        (double, float[]) Run(float[] y, KeptTargets targets, float[]? weights)
        {
            using IBackend opened = backend.Open();
            using IExecutable net = opened.Compile(
                Sequential.Of(shape, shape.IsVector ? new Flatten() : new MaxPool2d(1)), Spec(loss, 3));
            net.Forward(y);
            double value = net.Loss(targets.Targets.Weighted(weights));
            net.Backward();
            var dx = new float[y.Length];
            net.ReadInputGradient(dx);
            return (value, dx);
        }
    }

    [Test]
    public void AStepWithWeightsIsItsPhases()
    {
        Graph graph = Sequential.Of(new Shape(1, 4, 4), new Conv2d(5, 3, padding: 1));
        var loss = new SoftmaxCrossEntropy(PerPixel: true);
        float[] images = Samples.Uniform(2 * 16, 1), weights = [0.25f, 3];
        int[] labels = Samples.Labels(2 * 16, 5, 2);
        float[][] results = [.. new[] { false, true }.Select(whole =>
        {
            using IBackend opened = backend.Open();
            using IExecutable net = opened.Compile(graph, new TrainingSpec(2, loss, new Sgd(0.5f)));
            net.Initialize(new HeNormal(1));
            for (int step = 0; step < 3; step++)
            {
                if (whole)
                {
                    net.TrainStep(images, Targets.Of(labels).Weighted(weights), 0.1f);
                    continue;
                }
                net.Forward(images);
                net.Loss(Targets.Of(labels).Weighted(weights));
                net.Backward();
                net.Step(0.1f);
            }
            var w = new float[graph.Parameters[0].Length];
            net.Read(graph.Parameters[0], w);
            return w;
        })];
        Assert.That(results[0], Is.EqualTo(results[1]));
    }

    [Test]
    public void TargetsThatDoNotFitAreRefusedBeforeAnythingIsDone()
    {
        using IBackend opened = backend.Open();
        using IExecutable pixels = opened.Compile(
            Sequential.Of(new Shape(3, 2, 2), new MaxPool2d(1)), Spec(new SoftmaxCrossEntropy(PerPixel: true), 2));
        float[] x = Samples.Uniform(2 * 12, 1);
        Refuses(() => pixels.TrainStep(x, new int[2], 0.1f), "each of the 4 pixels", "8 for 2 samples");
        Refuses(() => pixels.TrainStep(x, (int[])[0, 1, 2, 0, 0, 3, 0, 0], 0.1f), "Label 3 of sample 1, pixel 1,",
            "the classes of the output are 0 to 2");
        Refuses(() => pixels.TrainStep(x, new float[24], 0.1f), "not float targets");
        Refuses(() => pixels.TrainStep(x, Targets.Of(new int[8]).Weighted([1, 1, 1]), 0.1f), "3 sample weights",
            "2 samples");
        Refuses(() => pixels.TrainStep(x, Targets.Of(new int[8]).Weighted([1, -1]), 0.1f), "weight of sample 1 is -1");
        Refuses(() => pixels.TrainStep(x, Targets.Of(new int[8]).Weighted([1, float.NaN]), 0.1f),
            "weight of sample 1 is NaN");
        Refuses(() => pixels.TrainStep(x, Targets.Of(new int[8]).Weighted([0, 0]), 0.1f),
            "All sample weights are zero");
        Refuses(() => opened.Compile(Sequential.Of(new Shape(3, 8, 8), new Conv2d(10, 3)),
            Spec(new SoftmaxCrossEntropy(), 2)),
            "conv1", "10 maps of 6×6", "GlobalAvgPool2d", "PerPixel");
        Refuses(() => opened.Compile(Sequential.Of(new Shape(3, 8, 8), new Conv2d(10, 3)),
            Spec(new MulticlassSvm(), 2)), "conv1");

        static void Refuses(Action act, params string[] words)
        {
            string message = Assert.Throws<ArgumentException>(() => act())!.Message;
            foreach (string word in words)
                Assert.That(message, Does.Contain(word));
        }
    }

    [Test]
    public void OneClassHasNoOtherToLoseTo()
    {
        using IBackend opened = backend.Open();
        using IExecutable net = opened.Compile(Sequential.Of(Shape.Vector(1), new Flatten()),
            Spec(new MulticlassSvm(), 2));
        net.Forward((float[])[3, float.PositiveInfinity]);
        Assert.That(net.Loss((int[])[0, 0]), Is.Zero);
        net.Backward();
        var gradient = new float[2];
        net.ReadInputGradient(gradient);
        Assert.That(gradient, Is.All.Zero);
    }

    // The losses as they are written down, in double.
    private static (double Loss, double[] Gradient) Formula(Loss loss, float[] scores, int[] labels, float[] targets)
    {
        int samples = labels.Length, classes = scores.Length / samples;
        double total = 0;
        var gradient = new double[scores.Length];
        for (int i = 0; i < scores.Length; i++)
        {
            int first = i / classes * classes, own = first + labels[i / classes];
            double largest = scores[first..(first + classes)].Max(), sum = 0;
            if (scores[first..(first + classes)].Any(float.IsNaN))
                largest = double.NaN;
            for (int j = first; j < first + classes; j++)
                sum += Math.Exp(scores[j] - largest);
            double margin = (double)scores[i] - scores[own] + 1, distance = (double)scores[i] - targets[i];
            switch (loss)
            {
                case SoftmaxCrossEntropy:
                    total += i == own ? Math.Log(sum) - (scores[own] - largest) : 0;
                    gradient[i] = ((Math.Exp(scores[i] - largest) / sum) - (i == own ? 1 : 0)) / samples;
                    break;
                case MulticlassSvm when i != own && !(margin <= 0):
                    total += margin;
                    gradient[i] += 1.0 / samples;
                    gradient[own] -= 1.0 / samples;
                    break;
                case MeanSquaredError:
                    total += distance * distance;
                    gradient[i] = 2 * distance / scores.Length;
                    break;
            }
        }
        return (total / (loss is MeanSquaredError ? scores.Length : samples), gradient);
    }

    private static TrainingSpec Spec(Loss loss, int batch) => new(batch, loss, new Sgd()) { InputGradient = true };

    private double Loss(Loss loss, float[] scores, int[] labels)
    {
        using IBackend opened = backend.Open();
        using IExecutable executable = opened.Compile(
            Sequential.Of(Shape.Vector(scores.Length / labels.Length), new Flatten()), Spec(loss, labels.Length));
        executable.Forward(scores);
        return executable.Loss(labels);
    }
}
