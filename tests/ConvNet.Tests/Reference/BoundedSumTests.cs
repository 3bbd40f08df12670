using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>What the error bound and the proof of exactness rest on.</summary>
public sealed class BoundedSumTests
{
    [Test]
    public void TracksTermsSquaresMagnitudesAndTheLargestPartialSum()
    {
        BoundedSum sum = Sum(3, -5, 1);
        Assert.That((sum.Value, sum.Count, sum.Squares, sum.Magnitudes, sum.Peak),
            Is.EqualTo((-1.0, 3, 35.0, 9.0, 3.0)));
        BoundedSum joined = Sum(4) + sum;
        Assert.That((joined.Value, joined.Count, joined.Squares, joined.Magnitudes, joined.Peak),
            Is.EqualTo((3.0, 4, 51.0, 13.0, 4.0)));
        BoundedSum halved = joined * 0.5;
        Assert.That((halved.Value, halved.Count, halved.Squares, halved.Magnitudes, halved.Peak),
            Is.EqualTo((1.5, 5, 12.75, 6.5, 2.0)));
    }

    [Test]
    public void ACopiedValueHasNoError()
        => Assert.That((BoundedSum.Of(0.1).Bound(), BoundedSum.Of(0.1).Ceiling), Is.EqualTo((0.0, 0.0)));

    [TestCase(16_777_215.0, 0.0, true)]
    [TestCase(16_777_215.0, 1.0, false)]
    [TestCase(8_388_607.5, 0.0, true)]
    [TestCase(8_388_607.5, 1.0, false)]
    [TestCase(0.1, 0.0, false)]
    [TestCase(1e-30, 0.0, false)]
    [TestCase(double.NaN, 0.0, false)]
    public void IsExactWhereTheTermsAreMultiplesOfOnePowerOfTwoBelowItsTwoToThe24(double first, double second,
        bool exact)
        => Assert.That(Sum(first, second).IsExact, Is.EqualTo(exact));

    [Test]
    public void AThirdOfAWholeNumberIsNotExactButAQuarterIs()
        => Assert.That(((Sum(1, 2) * (1.0 / 3)).IsExact, (Sum(1, 2) * 0.25).IsExact), Is.EqualTo((false, true)));

    [Test]
    public void TheBoundHoldsAndIsSharp([Values(9, 150, 2_304, 20_000)] int n, [Range(1, 5)] int seed)
    {
        float[] a = Samples.Uniform(n, seed), b = Samples.Uniform(n, seed + 100);
        BoundedSum truth = default;
        float got = 0;
        for (int i = 0; i < n; i++)
        {
            truth += (double)a[i] * b[i];
            got += a[i] * b[i];
        }
        Assert.That(Math.Abs(got - truth.Value), Is.LessThan(truth.Bound()), "a running sum is within the bound");
        double typical = Math.Sqrt(truth.Squares / n);
        Assert.That(truth.Bound(), Is.LessThan(typical / 4), "a term of ordinary size left out is not");
    }

    private static BoundedSum Sum(params double[] terms)
        => terms.Aggregate(default(BoundedSum), (sum, term) => sum + term);
}
