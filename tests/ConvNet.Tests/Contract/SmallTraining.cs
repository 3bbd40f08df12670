using ConvNet.Serialization;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>The training that several contracts share: batches of four samples of three classes, and its
/// steps.</summary>
internal static class SmallTraining
{
    public const int Batch = 4;

    public const float Rate = 0.01f;

    public static readonly int[] Labels = [0, 2, 1, 2];

    public static TrainingSpec Spec(Optimizer optimizer, int batch = Batch)
        => new(batch, new SoftmaxCrossEntropy(), optimizer) { Seed = 7 };

    /// <summary>Forward, loss and backward of a batch.</summary>
    public static void Differentiate(IExecutable net, int seed, int n = Batch)
    {
        net.Forward(Input(net, seed, n));
        net.Loss(Labels.AsSpan(0, n));
        net.Backward();
    }

    /// <summary>Forward, loss, backward and step of a batch.</summary>
    public static void Train(IExecutable net, int seed)
    {
        Differentiate(net, seed);
        net.Step(Rate);
    }

    /// <summary>Makes some steps with batches of two sizes: fused ones, and one in three of four calls.</summary>
    /// <param name="net">The executable.</param>
    /// <param name="from">The number of the first step.</param>
    /// <param name="to">The number after the last step.</param>
    /// <param name="step">What follows the backward pass of a step of four calls; by default the update alone.</param>
    public static void Run(IExecutable net, int from, int to, Action? step = null)
    {
        for (int number = from; number < to; number++)
        {
            int n = Batch - (number % 2);
            if (number % 3 != 2)
            {
                net.TrainStep(Input(net, number, n), Labels.AsSpan(0, n), Rate);
                continue;
            }
            Differentiate(net, number, n);
            if (step is null)
                net.Step(Rate);
            else
                step();
        }
    }

    /// <summary>Compares two states.</summary>
    /// <param name="got">The state.</param>
    /// <param name="expected">What it should be.</param>
    /// <param name="tolerance">The largest difference of two values.</param>
    /// <param name="special">The name of a parameter with a tolerance of its own; null for none.</param>
    /// <param name="specialTolerance">The tolerance of that parameter.</param>
    public static void AssertEqual(TrainingState got, TrainingState expected, float tolerance, string? special = null,
        float specialTolerance = 0)
    {
        Assert.That((got.Step, got.Pass), Is.EqualTo((expected.Step, expected.Pass)));
        Assert.That(got.Frozen, Is.EqualTo(expected.Frozen));
        Assert.That(got.Tensors.Select(t => t.Name), Is.EqualTo(expected.Tensors.Select(t => t.Name)));
        foreach ((NamedTensor own, NamedTensor other) in got.Tensors.Zip(expected.Tensors))
            Assert.That(own.Values, Is.EqualTo(other.Values).Within(own.Name == special ? specialTolerance : tolerance),
                own.Name);
    }

    /// <summary>The input of a batch.</summary>
    public static float[] Input(IExecutable net, int seed, int n = Batch)
        => Samples.Uniform(n * net.Graph.Input.Shape.Length, seed);
}
