using System.Numerics.Tensors;

namespace ConvNet.GradientChecking.Research;

/// <summary>A rule in common use to decide whether two tensors agree.</summary>
/// <param name="Name">The name of the rule.</param>
/// <param name="Accepts">Returns whether the actual values agree with the expected values.</param>
internal sealed record ToleranceRule(string Name, Func<float[], float[], bool> Accepts)
{
    /// <summary>The rules in common use.</summary>
    public static IReadOnlyList<ToleranceRule> Common { get; } =
    [
        new("absolute 1e-3", (got, expected) => Each(got, expected, _ => 1e-3)),
        new("NumPy allclose(rtol 1e-5, atol 1e-8)", (got, expected) => Each(got, expected, e => 1e-8 + 1e-5 * e)),
        new("torch assert_close(rtol 1.3e-6, atol 1e-5)", (got, expected)
            => Each(got, expected, e => 1e-5 + 1.3e-6 * e)),
        new("1e-2 of the largest", (got, expected) =>
        {
            double largest = Math.Abs((double)TensorPrimitives.MaxMagnitude<float>(expected));
            return Each(got, expected, _ => 1e-2 * largest);
        }),
        new("relative L2 distance 1e-4", (got, expected) => Length(got, expected) <= 1e-4 * Length(expected, [])),
        new("cosine similarity above 0.999", (got, expected) => Product(got, expected) > 0.999 * Length(got, [])
            * Length(expected, [])),
    ];

    private static bool Each(float[] got, float[] expected, Func<double, double> allowed)
    {
        for (int i = 0; i < got.Length; i++)
        {
            if (!(Math.Abs((double)got[i] - expected[i]) <= allowed(Math.Abs((double)expected[i]))))
                return false;
        }
        return true;
    }

    // The length of the difference, or of the values if there is nothing to subtract. It is computed in double, so that
    // the arithmetic of the rules adds no error.
    private static double Length(float[] values, float[] less)
    {
        double squares = 0;
        for (int i = 0; i < values.Length; i++)
        {
            double value = (double)values[i] - (i < less.Length ? less[i] : 0);
            squares += value * value;
        }
        return Math.Sqrt(squares);
    }

    private static double Product(float[] a, float[] b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
            sum += (double)a[i] * b[i];
        return sum;
    }
}
