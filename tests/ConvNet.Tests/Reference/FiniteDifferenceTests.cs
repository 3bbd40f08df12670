using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>The double reference against finite differences: what every other test takes for the truth.</summary>
public sealed class FiniteDifferenceTests
{
    [TestCaseSource(typeof(LayerCases), nameof(LayerCases.All))]
    public void TheReferenceDerivesEveryLayerRightly(LayerCase layer)
    {
        GradientReport report = GradientCheck.Run(layer.Layer, layer.Inputs, [],
            Contract.Reports.Options(CheckModes.FiniteDifferences, layer.N));
        Contract.Reports.AssertPasses(report);
        Assert.That(report.Layers.SelectMany(l => l.Tensors).Sum(t => t.Flips), Is.Zero,
            "tensors without a smooth direction");
    }

    private static readonly Loss[] Losses =
    [
        new SoftmaxCrossEntropy(), new SoftmaxCrossEntropy(PerPixel: true), new MulticlassSvm(),
            new MulticlassSvm(0.25f),
        new MeanSquaredError(),
    ];

    [Test]
    public void TheReferenceDerivesEveryLossRightly(
        [ValueSource(nameof(Losses))] Loss loss, [Values(1, 6)] int n, [Values] bool weighted)
    {
        const double Step = 1e-4;
        Shape shape = loss.Takes == TargetKind.ClassesPerPixel ? new Shape(5, 2, 3) : Shape.Vector(5);
        double[] scores = Array.ConvertAll(Samples.Uniform(n * shape.Length, 1), v => 3.0 * v),
            gradient = new double[scores.Length];
        var targets = new KeptTargets(
            loss.Takes == TargetKind.Values ? null : Samples.Labels(n * loss.TargetsPerSample(shape), shape.C, 2),
            loss.Takes == TargetKind.Values ? Samples.Uniform(n * shape.Length, 3) : null,
            weighted ? [.. Samples.Uniform(n, 4).Select(weight => 1.5f + weight)] : null);
        Evaluate(gradient);
        for (int i = 0; i < scores.Length; i++)
        {
            // Fourth order: what is left is Step⁴ times a fifth derivative. No margin of these scores is within two
            // steps of the hinge.
            double slope = (At(i, -2 * Step) - 8 * At(i, -Step) + 8 * At(i, Step) - At(i, 2 * Step)) / (12 * Step);
            Assert.That(gradient[i], Is.EqualTo(slope).Within(1e-7), $"score {i}");
        }

        double Evaluate(double[] into) => loss.Evaluate(new LossFrame<double>(shape, scores, targets.Targets, into));

        double At(int i, double distance)
        {
            double before = scores[i];
            scores[i] += distance;
            double value = Evaluate(new double[scores.Length]);
            scores[i] = before;
            return value;
        }
    }
}
