using ConvNet.Diagnostics;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>What every backend computes for a loss and its gradient.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class LossContract(BackendCase backend)
{
    private static readonly Loss[] Losses = [new SoftmaxCrossEntropy(), new MulticlassSvm(), new MulticlassSvm(2.5f), new MeanSquaredError()];

    [Test]
    public void StaysWithinItsBound([ValueSource(nameof(Losses))] Loss loss, [Values(2, 3, 10, 17)] int classes, [Values(1, 5, 64)] int n)
    {
        using IBackend opened = backend.Open();
        Reports.AssertPasses(GradientCheck.Run(loss, classes, [opened], new GradientCheckOptions { BatchSize = n }));
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
        // Sample 1: max(0, 5.1 − 3.2 + 1) + max(0, −1.7 − 3.2 + 1) = 2.9; sample 2: 0; sample 3: (2.2 + 3.1 + 1) + (2.5 + 3.1 + 1) = 12.9.
        double loss = Loss(new MulticlassSvm(), [3.2f, 5.1f, -1.7f, 1.3f, 4.9f, 2.0f, 2.2f, 2.5f, -3.1f], [0, 1, 2]);
        Assert.That(loss, Is.EqualTo((2.9 + 0 + 12.9) / 3).Within(1e-6));
    }

    [Test]
    public void AtTheHingeTheGradientIsZero()
    {
        using IBackend opened = backend.Open();
        using IExecutable executable = opened.Compile(Sequential.Of(Shape.Vector(3), new Flatten()), Spec(new MulticlassSvm(), 1));
        executable.Forward([2, 1, 1.5f]);
        Assert.That(executable.Loss([0]), Is.EqualTo(0.5));
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
        executable.Forward([1, float.NaN, 2]);
        Assert.That(loss.TakesLabels ? executable.Loss([0]) : executable.Loss([1f, 2f, 3f]), Is.NaN);
    }

    private static TrainingSpec Spec(Loss loss, int batch) => new(batch, loss, new Sgd()) { InputGradient = true };

    private double Loss(Loss loss, float[] scores, int[] labels)
    {
        using IBackend opened = backend.Open();
        using IExecutable executable = opened.Compile(Sequential.Of(Shape.Vector(scores.Length / labels.Length), new Flatten()), Spec(loss, labels.Length));
        executable.Forward(scores);
        return executable.Loss(labels);
    }
}
