using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>The options of optimisers and the patterns of parameter groups.</summary>
public sealed class OptimizerTests
{
    [TestCase("conv1.bias", "conv1.bias", true)]
    [TestCase("conv1.bias", "conv1.bia", false)]
    [TestCase("conv1.bias", "conv1.biass", false)]
    [TestCase("conv1.bias", "Conv1.bias", false)]
    [TestCase("*", "", true)]
    [TestCase("*.bias", "conv1.bias", true)]
    [TestCase("*.bias", "conv1.bias.bias", true)]
    [TestCase("*.bias", "bias", false)]
    [TestCase("conv?.*", "conv1.weight", true)]
    [TestCase("conv?.*", "conv12.weight", false)]
    [TestCase("*a*b*", "xxaxxbab", true)]
    [TestCase("*a*b", "xxaxxba", false)]
    [TestCase("a**b?", "abbc", true)]
    public void PatternsMatchNames(string pattern, string name, bool matches)
        => Assert.That(ParameterGroup.Matches(pattern, name), Is.EqualTo(matches));

    [Test]
    public void TheFirstGroupThatMatchesCounts()
    {
        Graph graph = Sequential.Of(new Shape(1, 4, 4), new Conv2d(2, 3), new Flatten(), new Linear(2));
        Optimizer optimizer = new Sgd(weightDecay: 0.5f)
        {
            Groups = [new("*.bias") { WeightDecay = 0 }, new("conv1.*") { LearningRateFactor = 0.25f }],
        };
        Assert.That(graph.Parameters.Select(optimizer.OptionsOf), Is.EqualTo((ParameterOptions[])
            [new(0.25f, 0.5f), new(1, 0), new(1, 0.5f), new(1, 0)]));
    }

    [Test]
    public void EveryKindOfRuleIsAppliedToAWholeParameter()
    {
        Parameter weight = Sequential.Of(Shape.Vector(2), new Linear(1, bias: false)).Parameters[0];
        double[] g = [3, -4];
        Assert.Multiple(() =>
        {
            Applied(new Sgd(), [0.7, 1.4]);
            // The step of LARS has the length α·η·‖w‖.
            Applied(new Lars(momentum: 0, trustCoefficient: 0.5f), [1 - 0.03 * Math.Sqrt(2), 1 + 0.04 * Math.Sqrt(2)]);
            Applied(new Lookahead(new Sgd(), k: 1, alpha: 0.5f), [0.85, 1.2]);
        });
        Assert.That(() => new Sgd().Apply(new UpdateContext(1, 0.1f, 0), weight, g, new double[3], default),
            Throws.ArgumentException.With.Message.Contains("2 gradients and 3 values"));
        Assert.That(() => new Adam().Apply(new UpdateContext(1, 0.1f, 0), weight, g, new double[2], default),
            Throws.ArgumentException.With.Message.Contains("Adam has 2 states of each value, but 0"));

        void Applied(Optimizer optimizer, double[] expected)
        {
            double[] w = [1, 1], state = new double[optimizer.StateNames.Count * w.Length];
            optimizer.Apply(optimizer.OptionsOf(weight).At(step: 1, 0.1f), weight, g, w,
                new StateSpans<double>(state, optimizer.StateNames.Count));
            Assert.That(w, Is.EqualTo(expected).Within(1e-7), $"{optimizer}");
        }
    }

    [Test]
    public void OptionsOutOfRangeAreRefused()
    {
        Assert.Multiple(() =>
        {
            Refused(() => new Adam(beta1: 1), "adam: beta1 1 is not in [0, 1)");
            Refused(() => new Adam(beta2: double.NaN), "beta2 NaN");
            Refused(() => new Adam(epsilon: 0), "adam: epsilon 0 is not in (0, ∞)");
            Refused(() => new AdamW(beta1: -0.1), "adamw: beta1 -0.1");
            Refused(() => new AdamW(epsilon: 1e-60), "float32", "1E-08");
            Refused(() => new AdamW(weightDecay: -1), "weight decay is -1");
            Refused(() => new Lars(momentum: 1), "lars: momentum 1");
            Refused(() => new Lars(trustCoefficient: 0), "lars: trustCoefficient 0 is not in (0, ∞)");
        });

        static void Refused(Func<Optimizer> make, params string[] says)
        {
            string message = Assert.Throws<ArgumentOutOfRangeException>(() => make())!.Message;
            foreach (string each in says)
                Assert.That(message, Does.Contain(each));
        }
    }

    [Test]
    public void AParameterThatIsZeroTakesAPlainStepOfLars()
    {
        Graph graph = Sequential.Of(Shape.Vector(2), new Linear(2));
        float[] w = [0, 0], v = [0, 0];
        var lars = new Lars(0.5f, 0.1f, 0.25f);
        var context = new UpdateContext(1, 0.5f, 0.1f);
        lars.Update<float>(context, graph.Parameters[1], [2, -4], w, new StateSpans<float>(v, 1));
        Assert.That((w, v), Is.EqualTo(((float[])[-1, 2], (float[])[1, -2])));
        v.AsSpan().Clear();
        w = [0, 0];
        lars.Update<float>(context, graph.Parameters[1], [0, 0], w, new StateSpans<float>(v, 1));
        Assert.That(w, Is.All.Zero, "no gradient, no weight");
        w = [3, 4];
        context = context with { WeightDecay = 0 };
        lars.Update<float>(context, graph.Parameters[1], [3, 4], w, new StateSpans<float>(v, 1));
        Assert.That(w, Is.EqualTo((float[])[2.625f, 3.5f]), "an eighth of the norm, as 5 is that of the gradient");
    }
}
