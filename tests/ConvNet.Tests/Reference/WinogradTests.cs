using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>What the checks take for exact and for accurate in Winograd's algorithms, on a model of them.</summary>
public sealed class WinogradTests
{
    public static IEnumerable<object[]> Cases =>
        from algorithm in (SumAlgorithm[])[SumAlgorithm.Winograd2, SumAlgorithm.Winograd4]
        from layer in (LayerCase[])
        [
            new(new Conv2d(1, 3, padding: 1, bias: false), 1, new Shape(1, 4, 4)),
            new(new Conv2d(5, 3, padding: 1, bias: false), 2, new Shape(3, 7, 10)),
            new(new Conv2d(4, 3, bias: false), 3, new Shape(17, 6, 9)),
            new(new Conv2d(3, 3, padding: (2, 0), bias: false), 2, new Shape(40, 5, 8)),
        ]
        select new object[] { algorithm, layer };

    [TestCaseSource(nameof(Cases))]
    public void ItIsExactOnTheNumbersThatAreChosenForIt(SumAlgorithm algorithm, LayerCase layer)
        => Check(new WinogradModel(algorithm), algorithm, layer,
            (got, truth) => Assert.That(Comparison.Exactly(got, truth).Failed, Is.Zero, truth.Name));

    [TestCase(SumAlgorithm.Winograd2)]
    [TestCase(SumAlgorithm.Winograd4)]
    public void AWrongConstantIsCaught(SumAlgorithm algorithm)
    {
        var layer = new LayerCase(new Conv2d(2, 3, padding: 1, bias: false), 1, new Shape(2, 6, 9));
        foreach (Func<WinogradModel, float[][]> matrix
            in (Func<WinogradModel, float[][]>[])[model => model.Input, model => model.Filter, model => model.Output])
        {
            float[][] right = matrix(new WinogradModel(algorithm));
            for (int i = 0; i < right.Length * right[0].Length; i++)
            {
                if (right[i / right[0].Length][i % right[0].Length] == 0)
                    continue;
                var wrong = new WinogradModel(algorithm);
                // 0.1667 for 1/6.
                matrix(wrong)[i / right[0].Length][i % right[0].Length] *= 1.0002f;
                int caught = 0;
                Check(wrong, algorithm, layer, (got, truth) => caught += Comparison.Exactly(got, truth).Failed);
                Assert.That(caught, Is.Positive, $"constant {i}");
            }
        }
    }

    [Test]
    public void NumbersThatAreNoMultiplesOf576AreNotTakenForExact()
    {
        var layer = new Conv2d(2, 3, padding: 1, bias: false);
        LayerValues<float> values = Integers(new LayerCase(layer, 1, new Shape(2, 8, 8)), range: 3, weightGrain: 1,
            gradientGrain: 1, oneIn: 1);
        Assert.That(Enum.GetValues<SumPass>()
            .Select(pass => WinogradBudget.IsExact(values, SumAlgorithm.Winograd4, pass)), Is.All.False);
        Assert.That(Enum.GetValues<SumPass>()
            .Select(pass => WinogradBudget.IsExact(values, SumAlgorithm.Winograd2, pass)), Is.All.True);
    }

    [Test]
    public void NumbersWhoseIntermediateValuesExceedTheBudgetAreNotTakenForExact()
    {
        var layer = new LayerCase(new Conv2d(1, 3, padding: 1, bias: false), 1, new Shape(1, 8, 8));
        LayerValues<float> values = Integers(layer, range: 400, weightGrain: 576, gradientGrain: 1, oneIn: 1);
        Assert.That(LayerReference.Evaluate(values).Y.IsExact, Is.True, "a direct sum is");
        Assert.That(WinogradBudget.IsExact(values, SumAlgorithm.Winograd4, SumPass.Forward), Is.False);
    }

    [Test]
    public void AMultipleOf24IsDividedExactlyByAFactorThatIsNoFloat()
    {
        // Any significand of 24 bits behind the factor; the exponent does not matter.
        foreach ((float factor, int divisor) in ((float, int)[])[(1 / 6f, 6), (1 / 12f, 12), (1 / 24f, 24)])
        {
            for (int quotient = 1 << 20; quotient < 1 << 24; quotient += 5)
            {
                float product = (float)quotient * divisor;
                if (product == (double)quotient * divisor && product * factor != quotient)
                    Assert.Fail($"{product} · fl(1/{divisor}) = {product * factor:R}");
            }
        }
    }

    [TestCaseSource(nameof(Cases))]
    public void ItStaysWithinItsDeclaredAccuracy(SumAlgorithm algorithm, LayerCase layer)
    {
        var model = new WinogradModel(algorithm);
        LayerValues<float> values = Values(layer, new Fill(3), (fill, stream, length)
            => fill.Uniform(stream, length, 1));
        LayerTruth truth = LayerReference.Evaluate(values)
            .Computed(new LayerAlgorithms(algorithm, algorithm, algorithm), values);
        Assert.Multiple(() =>
        {
            Assert.That(Comparison.WithinBounds(model.Forward(values), truth.Y).WorstInBounds, Is.InRange(1e-3, 1));
            Assert.That(Comparison.WithinBounds(model.InputGradient(values), truth.DX[0]).WorstInBounds,
                Is.InRange(1e-3, 1));
            Assert.That(Comparison.WithinBounds(model.WeightGradient(values), truth.DW[0]!).WorstInBounds,
                Is.InRange(1e-3, 1));
        });
    }

    [Test]
    public void BoundsAreThoseOfTheWorstResultWithinReach()
    {
        double[] bounds = new double[2 * 6 * 7];
        bounds[2 * 7 + 3] = 1;
        TruthTensor tensor = new("y", new double[bounds.Length]) { Bounds = bounds, Ceilings = bounds };
        TruthTensor computed = tensor.Computed(SumAlgorithm.Winograd2, SumPass.Forward, (6, 7));
        double scale = DeclaredAccuracy.Lambda(SumAlgorithm.Winograd2, SumPass.Forward) / DeclaredAccuracy.Direct;
        for (int i = 0; i < bounds.Length; i++)
        {
            bool near = i < 6 * 7 && Math.Abs(i / 7 - 2) <= 1 && Math.Abs(i % 7 - 3) <= 1;
            Assert.That((computed.Bounds[i], computed.Ceilings[i]), Is.EqualTo(near ? (scale, scale) : (0.0, 0.0)),
                $"element {i}");
        }
        Assert.That(tensor.Computed(SumAlgorithm.Direct, SumPass.Forward, (6, 7)), Is.SameAs(tensor));
    }

    private static void Check(WinogradModel model, SumAlgorithm algorithm, LayerCase layer,
        Action<float[], TruthTensor> see)
    {
        var exact = new ExactValues(layer.Layer, [new LayerAlgorithms(algorithm, algorithm, algorithm)], largest: 16,
            (range, weightGrain, gradientGrain, oneIn) => Integers(layer, range, weightGrain, gradientGrain, oneIn));
        Assert.That(exact.Remainder, Is.Null);
        foreach (ExactRun run in exact.Runs)
        {
            if (run.Results)
            {
                see(model.Forward(run.Values), run.Truth.Y);
                see(model.InputGradient(run.Values), run.Truth.DX[0]);
            }
            if (run.Gradients)
                see(model.WeightGradient(run.Values), run.Truth.DW[0]!);
        }
    }

    private static LayerValues<float> Integers(LayerCase layer, int range, int weightGrain, int gradientGrain,
        int oneIn)
        => Values(layer, new Fill(1), (fill, stream, length) => stream == 0
            ? fill.Integers(stream, length, range)
            : fill.Integers(stream, length, range, stream == 1 ? weightGrain : gradientGrain, oneIn));

    private static LayerValues<float> Values(LayerCase layer, Fill fill, Func<Fill, int, int, float[]> make)
    {
        Shape x = layer.Inputs[0], y = layer.Layer.Infer(x);
        return new(layer.Layer, [x], layer.N, [make(fill, 0, layer.N * x.Length)],
            [make(fill, 1, layer.Layer.Parameters(x)[0].Length)], make(fill, 2, layer.N * y.Length), 1, 0, 1);
    }
}
