namespace ConvNet.Measurement;

/// <summary>Input data of the benchmarks: reproducible values from −0.5 to 0.5.</summary>
internal static class RandomValues
{
    private const int Period = 65_521;

    private static readonly float[] Values = Draw();

    /// <summary>Returns the given number of values.</summary>
    public static float[] Make(long count)
    {
        float[] values = new float[count];
        for (long i = 0; i < count; i += Period)
            Values.AsSpan(0, (int)Math.Min(Period, count - i)).CopyTo(values.AsSpan((int)i));
        return values;
    }

    /// <summary>Returns the given number of class labels.</summary>
    public static int[] Labels(int count, int classes) => [.. Enumerable.Range(0, count).Select(i => i * 7 % classes)];

    private static float[] Draw()
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, Period).Select(_ => random.NextSingle() - 0.5f)];
    }
}
