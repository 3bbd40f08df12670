using System.Globalization;
using System.Numerics;
using System.Reflection;
using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>Dual numbers: each function has the value that double has, and the derivative that differences of double
/// show.</summary>
public sealed class DualTests
{
    private const double Step = 1e-4;

    private static readonly double[] s_at = [-2.3, -1.3, -0.7, 0.37, 0.9, 1.7, 3.2];

    // What double has with some of the digits only.
    private static readonly string[] s_estimates
        = [nameof(Dual.ReciprocalEstimate), nameof(Dual.ReciprocalSqrtEstimate)];

    private static IEnumerable<MethodInfo> Unary => Functions(1);

    private static IEnumerable<MethodInfo> Binary => Functions(2);

    [TestCaseSource(nameof(Unary))]
    public void EveryFunctionOfOneNumberHasItsDerivative(MethodInfo function)
    {
        MethodInfo plain = PlainOf(function);
        double Of(double x) => (double)plain.Invoke(null, [x])!;
        int finite = 0;
        foreach (double x in s_at)
        {
            var got = (Dual)function.Invoke(null, [new Dual(x, 0.5)])!;
            Assert.That(got.Value, Is.EqualTo(Of(x)), $"{function.Name}({x})");
            if (double.IsFinite(got.Value) && ++finite > 0)
                AssertSlope(got.Derivative, 0.5 * Difference(h => Of(x + h)), $"{function.Name}({x})");
        }
        Assert.That(finite, Is.Positive);
    }

    [TestCaseSource(nameof(Binary))]
    public void EveryFunctionOfTwoNumbersHasItsDerivatives(MethodInfo function)
    {
        MethodInfo plain = PlainOf(function);
        double Of(double x, double y) => (double)plain.Invoke(null, [x, y])!;
        foreach (double x in s_at)
        {
            foreach (double y in s_at)
            {
                var got = (Dual)function.Invoke(null, [new Dual(x, 0.5), new Dual(y, -0.25)])!;
                Assert.That(got.Value, Is.EqualTo(Of(x, y)), $"{function.Name}({x}, {y})");
                // On the diagonal two branches meet.
                if (double.IsFinite(got.Value) && Math.Abs(x) != Math.Abs(y))
                    AssertSlope(got.Derivative, Difference(h => Of(x + 0.5 * h, y - 0.25 * h)),
                        $"{function.Name}({x}, {y})");
            }
        }
    }

    [Test]
    public void ArithmeticHasItsDerivatives()
    {
        foreach (double x in s_at)
        {
            foreach (double y in s_at)
            {
                for (int which = 0; which < 12; which++)
                {
                    Dual got = Arithmetic(which, new Dual(x, 0.5), new Dual(y, -0.25));
                    double value = Arithmetic(which, x, y);
                    Assert.That(got.Value, Is.EqualTo(value), $"{which}: {x}, {y}");
                    if (double.IsFinite(value) && (x != y || which < 9))
                        AssertSlope(got.Derivative, Difference(h => Arithmetic(which, x + 0.5 * h, y - 0.25 * h)),
                            $"{which}: {x}, {y}");
                }
            }
        }
    }

    [Test]
    public void EstimatesHaveTheDerivativeOfWhatTheyEstimate()
    {
        Assert.That(Dual.ReciprocalEstimate(new Dual(4, 1)).Derivative, Is.EqualTo(-1.0 / 16));
        Assert.That(Dual.ReciprocalSqrtEstimate(new Dual(4, 1)).Derivative, Is.EqualTo(-1.0 / 16));
        Assert.That(Dual.ReciprocalEstimate(new Dual(4, 1)).Value, Is.EqualTo(0.25).Within(1e-3));
        Assert.That(Dual.ReciprocalSqrtEstimate(new Dual(4, 1)).Value, Is.EqualTo(0.5).Within(1e-3));
    }

    [Test]
    public void TheErrorFunctionHasItsDerivative()
    {
        foreach (double x in s_at)
        {
            Dual got = ErrorFunction.Complement(new Dual(x, 0.5));
            Assert.That(got.Value, Is.EqualTo(ErrorFunction.Complement(x)));
            AssertSlope(got.Derivative, 0.5 * Difference(h => ErrorFunction.Complement(x + h)), $"{x}");
            got = ErrorFunction.Value(new Dual(x, 0.5));
            Assert.That(got.Value, Is.EqualTo(ErrorFunction.Value(x)));
            AssertSlope(got.Derivative, 0.5 * Difference(h => ErrorFunction.Value(x + h)), $"{x}");
        }
    }

    [TestCase(1.0, 1.0)]
    [TestCase(-1.0, -1.0)]
    [TestCase(0.0, -0.0)]
    [TestCase(-0.0, 0.0)]
    [TestCase(-2.0, 2.0)]
    [TestCase(2.0, -2.0)]
    [TestCase(double.NaN, 1.0)]
    [TestCase(1.0, double.NaN)]
    public void ATieHasTheValueOfDoubleAndTheDerivativeOfOneSide(double x, double y)
    {
        (Func<Dual, Dual, Dual> OfDual, Func<double, double, double> OfDouble)[] functions =
        [
            (Dual.Max, double.Max), (Dual.Min, double.Min), (Dual.MaxNumber, double.MaxNumber),
            (Dual.MinNumber, double.MinNumber), (Dual.MaxMagnitude, double.MaxMagnitude),
            (Dual.MinMagnitude, double.MinMagnitude), (Dual.MaxMagnitudeNumber, double.MaxMagnitudeNumber),
            (Dual.MinMagnitudeNumber, double.MinMagnitudeNumber),
        ];
        foreach ((Func<Dual, Dual, Dual> ofDual, Func<double, double, double> ofDouble) in functions)
        {
            Dual got = ofDual(new Dual(x, 3), new Dual(y, 5));
            double value = ofDouble(x, y);
            Assert.That(BitConverter.DoubleToInt64Bits(got.Value), Is.EqualTo(BitConverter.DoubleToInt64Bits(value)),
                ofDual.Method.Name);
            Assert.That(got.Derivative, Is.AnyOf(3.0, 5.0));
            if (value.Equals(x) != value.Equals(y))
                Assert.That(got.Derivative, Is.EqualTo(value.Equals(x) ? 3.0 : 5.0), ofDual.Method.Name);
        }
    }

    [Test]
    public void AClampedValueHasTheDerivativeOfWhatItIs()
    {
        Dual low = new(1, 7), high = new(2, 9);
        Assert.Multiple(() =>
        {
            Assert.That(Dual.Clamp(new Dual(0, 5), low, high).Derivative, Is.EqualTo(7));
            Assert.That(Dual.Clamp(new Dual(1, 5), low, high).Derivative, Is.EqualTo(5), "as of Math.Clamp");
            Assert.That(Dual.Clamp(new Dual(3, 5), low, high).Derivative, Is.EqualTo(9));
            Assert.That(() => Dual.Clamp(One(), high, low), Throws.ArgumentException);
        });
        static Dual One() => Dual.One;
    }

    [Test]
    public void RoundingHasNoDerivativeAndScalingHasOne()
    {
        var x = new Dual(2.75, 3);
        Assert.Multiple(() =>
        {
            Assert.That(((IFloatingPoint<double>)2.75).GetSignificandBitLength(), Is.EqualTo(
                ((IFloatingPoint<Dual>)x).GetSignificandBitLength()));
            Assert.That(Pair(Dual.Round(x, 1, MidpointRounding.ToZero)), Is.EqualTo((2.7, 0)));
            Assert.That(Pair(Dual.ScaleB(x, -1)), Is.EqualTo((1.375, 1.5)));
            Assert.That(Pair(Dual.RootN(new Dual(8, 12), 3)), Is.EqualTo((2, 1)).Within(1e-12));
            Assert.That(Pair(Dual.FusedMultiplyAdd(x, new Dual(2, 1), new Dual(1, 10))), Is.EqualTo((6.5, 18.75)));
            Assert.That(Dual.ILogB(x), Is.EqualTo(1));
            Assert.That(Dual.Sign(-x), Is.EqualTo(-1));
            Assert.That(Pair(Dual.SinCos(x).Cos), Is.EqualTo(Pair(Dual.Cos(x))));
            Assert.That(Pair(Dual.SinCosPi(x).SinPi), Is.EqualTo(Pair(Dual.SinPi(x))));
        });
    }

    [Test]
    public void AConstantStaysConstantWhereTheSlopeIsInfinite()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Pair(Dual.Sqrt(Dual.Zero)), Is.EqualTo((0, 0)));
            Assert.That(Pair(Dual.Log(Dual.Zero)), Is.EqualTo((double.NegativeInfinity, 0)));
            Assert.That(Pair(Dual.Cbrt(Dual.Zero)), Is.EqualTo((0, 0)));
            Assert.That(Pair(Dual.Pow(Dual.Zero, new Dual(2))), Is.EqualTo((0, 0)));
            Assert.That(Pair(Dual.Pow(Dual.Zero, new Dual(2, 1))), Is.EqualTo((0, 0)));
            Assert.That(Pair(Dual.PositiveInfinity * new Dual(2, 3)), Is.EqualTo((double.PositiveInfinity,
                double.PositiveInfinity)));
            Assert.That(Pair(Dual.One / Dual.Zero), Is.EqualTo((double.PositiveInfinity, 0)));
            Assert.That(Pair(new Dual(1, 2) / Dual.PositiveInfinity), Is.EqualTo((0, 0)));
            Assert.That(Dual.Sqrt(new Dual(0, 1)).Derivative, Is.EqualTo(double.PositiveInfinity));
            Assert.That(Pair(Dual.Hypot(new Dual(0, 1), new Dual(0, 1))), Is.EqualTo((0, 0)));
        });
    }

    [Test]
    public void ComparisonsAreThoseOfTheValue()
    {
        Dual a = new(1, 2), b = new(1, 3), nan = Dual.NaN;
        Assert.Multiple(() =>
        {
            Assert.That(a == b && a.Equals(b) && !(a != b) && a <= b && a >= b && a.CompareTo(b) == 0, Is.True);
            Assert.That(a.GetHashCode(), Is.EqualTo(b.GetHashCode()));
            Assert.That(nan == Dual.NaN || nan < a || nan > a || nan <= a || nan >= a, Is.False);
            Assert.That(nan != Dual.NaN && nan.Equals(Dual.NaN) && nan.CompareTo(a) < 0, Is.True);
            Assert.That(a.Equals((object)1.0), Is.False);
            Assert.That(a.CompareTo(null), Is.Positive);
            Assert.That(() => a.CompareTo("1"), Throws.ArgumentException);
            Assert.That(Dual.IsNaN(nan) && Dual.IsNegative(new Dual(-0.0)) && Dual.IsFinite(a) && Dual.IsZero(default),
                Is.True);
        });
    }

    [Test]
    public void ConversionsAreThoseOfTheValue()
    {
        Assert.Multiple(() =>
        {
            Assert.That(double.CreateChecked(new Dual(1.5, 2)), Is.EqualTo(1.5));
            Assert.That(int.CreateTruncating(new Dual(2.9, 2)), Is.EqualTo(2));
            Assert.That(byte.CreateSaturating(new Dual(300, 2)), Is.EqualTo(255));
            Assert.That(() => byte.CreateChecked(new Dual(300, 2)), Throws.TypeOf<OverflowException>());
            Assert.That(Pair(From<Dual, float>(0.1f)), Is.EqualTo(((double)0.1f, 0)));
            Assert.That(Pair(From<Dual, int>(-7)), Is.EqualTo((-7, 0)));
            Assert.That(Pair(From<Dual, decimal>(0.5m)), Is.EqualTo((0.5, 0)));
            Assert.That(From<Dual, Dual>(new Dual(1, 2)).Derivative, Is.EqualTo(2));
            Assert.That(Dual.Parse("1.5", CultureInfo.InvariantCulture).Value, Is.EqualTo(1.5));
            Assert.That(Dual.TryParse("x", CultureInfo.InvariantCulture, out _), Is.False);
            Assert.That($"{new Dual(0.5, 2)}", Is.EqualTo("0.5"));
            Assert.That(new Dual(0.5, 2).ToString("0.00", CultureInfo.InvariantCulture), Is.EqualTo("0.50"));
        });
    }

    private static TTo From<TTo, TFrom>(TFrom value)
        where TTo : INumberBase<TTo>
        where TFrom : INumberBase<TFrom> => TTo.CreateChecked(value);

    private static (double Value, double Derivative) Pair(Dual dual) => (dual.Value, dual.Derivative);

    // The operators, and what the interfaces of .NET build from them.
    private static T Arithmetic<T>(int which, T x, T y)
        where T : unmanaged, IFloatingPointIeee754<T> => which switch
        {
            0 => x + y,
            1 => x - y,
            2 => x * y,
            3 => x / y,
            4 => -x * +y,
            5 => ++x * --y,
            6 => T.Lerp(x, y, T.CreateChecked(0.25)),
            7 => T.DegreesToRadians(x) * T.RadiansToDegrees(y),
            8 => T.MultiplyAddEstimate(x, y, x),
            9 => x % y,
            10 => T.Clamp(x, T.Min(x, y), T.Max(x, y)),
            _ => x > y ? x * x : y * y * y,
        };

    private static IEnumerable<MethodInfo> Functions(int arguments) => typeof(Dual)
        .GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly)
        .Where(method => !method.IsSpecialName && method.ReturnType == typeof(Dual)
            && method.GetParameters().Length == arguments
            && Array.TrueForAll(method.GetParameters(), parameter => parameter.ParameterType == typeof(Dual))
            && !s_estimates.Contains(method.Name));

    private static MethodInfo PlainOf(MethodInfo function) => typeof(double).GetMethod(function.Name,
        [.. function.GetParameters().Select(_ => typeof(double))])!;

    private static double Difference(Func<double, double> f)
        => (f(-2 * Step) - 8 * f(-Step) + 8 * f(Step) - f(2 * Step)) / (12 * Step);

    private static void AssertSlope(double got, double difference, string where)
        => Assert.That(got, Is.EqualTo(difference).Within(1e-8 * (1 + Math.Abs(difference))), where);
}
