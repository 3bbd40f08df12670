using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>The quick proof of exactness against the one that follows every term.</summary>
public sealed class ExactReferenceTests
{
    private static LayerValues<float> Values(Layer layer, Shape input, int range, int grain)
    {
        var fill = new Fill(1);
        IReadOnlyList<ParameterSpec> specs = layer.Parameters(input);
        return new LayerValues<float>(layer, [input], 2, [fill.Integers(0, 2 * input.Length, range)],
            [.. specs.Select((spec, i) => fill.Integers(1 + i, spec.Length, range, i == 0 ? grain : 1))],
                fill.Integers(9, 2 * layer.Infer(input).Length, range), 1, 0, 1);
    }

    private static IEnumerable<TestCaseData> Layers()
    {
        foreach (int range in (int[])[1, 16, 200, 3000])
        {
            foreach (int grain in (int[])[1, 576])
            {
                yield return new(new Conv2d(4, 3, padding: 1, groups: 2), new Shape(6, 5, 4), range, grain);
                yield return new(new Conv2d(3, 2, 2, bias: false, rounding: Rounding.Floor), new Shape(2, 5, 4), range,
                    grain);
                yield return new(new Linear(5), Shape.Vector(11), range, grain);
            }
        }
    }

    [TestCaseSource(nameof(Layers))]
    public void ItComputesTheSameAndProvesNoMore(Layer layer, Shape input, int range, int grain)
    {
        LayerValues<float> values = Values(layer, input, range, grain);
        LayerTruth quick = ExactReference.Evaluate(values), slow = LayerReference.Evaluate(values);
        foreach ((TruthTensor one, TruthTensor other)
            in ((TruthTensor[])[quick.Y, .. quick.DX, .. quick.DW.OfType<TruthTensor>()])
            .Zip((TruthTensor[])[slow.Y, .. slow.DX, .. slow.DW.OfType<TruthTensor>()]))
        {
            Assert.That(one.Name, Is.EqualTo(other.Name));
            Assert.That(one.Values, Is.EqualTo(other.Values));
            Assert.That(!one.IsExact || other.IsExact, $"{one.Name} is proven where it is not exact");
            // Near the limit it may prove less: its units are those of whole tensors.
            if (range <= 16)
                Assert.That(one.IsExact, Is.EqualTo(other.IsExact), one.Name);
        }
    }

    [Test]
    public void ItProvesWhatTheLimitAllowsAndNoMore()
    {
        static bool IsExact(float weight)
            => ExactReference.Evaluate(new LayerValues<float>(new Linear(1, bias: false), [Shape.Vector(2)], 1,
                [[1, 1]],
            [[weight, 1]], [1], 1, 0, 1)).Y.IsExact;
        Assert.That(IsExact((1 << 24) - 2), Is.True);
        Assert.That(IsExact((1 << 24) - 1), Is.False);
        Assert.That(IsExact(0.5f), Is.True);
        Assert.That(IsExact(1 / 3f), Is.False);
    }
}
