using ConvNet.Diagnostics;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>The double reference against finite differences: what every other test takes for the truth.</summary>
public sealed class FiniteDifferenceTests
{
    [TestCaseSource(typeof(LayerCases), nameof(LayerCases.All))]
    public void TheReferenceDerivesEveryLayerRightly(LayerCase layer)
    {
        GradientReport report = GradientCheck.Run(layer.Layer, layer.Inputs, [], Contract.Reports.Options(CheckModes.FiniteDifferences, layer.N));
        Contract.Reports.AssertPasses(report);
        Assert.That(report.Layers.SelectMany(l => l.Tensors).Sum(t => t.Flips), Is.Zero, "tensors without a smooth direction");
    }

    private static readonly Loss[] Losses = [new SoftmaxCrossEntropy(), new MulticlassSvm(), new MulticlassSvm(0.25f), new MeanSquaredError()];

    [Test]
    public void TheReferenceDerivesEveryLossRightly([ValueSource(nameof(Losses))] Loss loss, [Values(1, 6)] int n)
    {
        const int Classes = 5;
        const double Step = 1e-4;
        double[] scores = Array.ConvertAll(Samples.Uniform(n * Classes, 1), v => 3.0 * v), gradient = new double[scores.Length];
        int[] labels = Samples.Labels(n, Classes, 2);
        float[] targets = Samples.Uniform(n * Classes, 3);
        Evaluate(gradient);
        for (int i = 0; i < scores.Length; i++)
        {
            // Fourth order: what is left is Step⁴ times a fifth derivative. No margin of these scores is within two steps of the hinge.
            double slope = (At(i, -2 * Step) - 8 * At(i, -Step) + 8 * At(i, Step) - At(i, 2 * Step)) / (12 * Step);
            Assert.That(gradient[i], Is.EqualTo(slope).Within(1e-7), $"score {i}");
        }

        double Evaluate(double[] into) => loss.TakesLabels ? loss.Evaluate<double>(scores, labels, into) : loss.Evaluate<double>(scores, targets, into);

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
