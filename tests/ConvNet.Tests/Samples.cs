namespace ConvNet.Tests;

/// <summary>Values for tests, from fixed seeds.</summary>
internal static class Samples
{
    /// <summary>Whole numbers from −3 to 3: sums of a few hundred of their products are exact in float32.</summary>
    public static float[] Integers(int length, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => (float)random.Next(-3, 4))];
    }

    /// <summary>Real numbers in [−1, 1).</summary>
    public static float[] Uniform(int length, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => 2 * random.NextSingle() - 1)];
    }

    /// <summary>Real values for a parameter; scales and variances are positive.</summary>
    public static float[] ParameterValues(Parameter parameter, int seed) => parameter.Role switch
    {
        ParameterRole.Scale or ParameterRole.RunningVariance
            => Array.ConvertAll(Uniform(parameter.Length, seed), v => 1 + v / 2),
        _ => Array.ConvertAll(Uniform(parameter.Length, seed), v => v / MathF.Sqrt(parameter.FanIn)),
    };

    /// <summary>One class per sample.</summary>
    public static int[] Labels(int length, int classes, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(classes))];
    }
}
