namespace ConvNet.GradientChecking;

/// <summary>Generates values to check with. They depend only on a seed and their position.</summary>
/// <param name="seed">The seed.</param>
internal sealed class Fill(ulong seed)
{
    private const int MostBatches = 8;

    /// <summary>Returns integers in ±range, one in 16 of which is 0.</summary>
    /// <param name="stream">The random stream, different for each tensor.</param>
    /// <param name="length">The number of values.</param>
    /// <param name="range">The largest magnitude, 1 or more.</param>
    /// <param name="grain">The factor by which the values are multiplied.</param>
    /// <param name="oneIn">One in this many values is kept; the others are 0.</param>
    public float[] Integers(int stream, int length, int range, int grain = 1, int oneIn = 1)
    {
        var values = new float[length];
        for (int i = 0; i < length; i++)
        {
            uint word = Philox.Word(seed, stream, 0, i);
            int magnitude = 1 + (int)((word >> 8) % (uint)range);
            bool zero = word >> 28 == 0 || (oneIn > 1 && Philox.Word(seed, stream, 2, i) % (uint)oneIn != 0);
            values[i] = zero ? 0 : (word & 1) == 0 ? magnitude * grain : -magnitude * grain;
        }
        return values;
    }

    /// <summary>Returns class labels.</summary>
    /// <param name="stream">The random stream, different for each tensor.</param>
    /// <param name="length">The number of labels.</param>
    /// <param name="classes">The number of classes.</param>
    public int[] Labels(int stream, int length, int classes)
        => Array.ConvertAll(Integers(stream, length, classes), v => (int)Math.Abs(v) % classes);

    /// <summary>Returns real numbers, uniform in centre ± limit.</summary>
    public float[] Uniform(int stream, int length, double limit, double centre = 0)
    {
        var values = new float[length];
        for (int i = 0; i < length; i++)
            values[i] = (float)(centre + limit * (Philox.Word(seed, stream, 1, i) / 2147483648.0 - 1));
        return values;
    }

    /// <summary>Returns real numbers of a distribution, on the scale of uniform numbers in ±limit.</summary>
    /// <param name="stream">The random stream, different for each tensor.</param>
    /// <param name="length">The number of values.</param>
    /// <param name="limit">The limit of the uniform numbers.</param>
    /// <param name="values">The distribution.</param>
    public float[] Reals(int stream, int length, double limit, RealValues values)
    {
        if (values == RealValues.Uniform)
            return Uniform(stream, length, limit);
        var reals = new float[length];
        for (int i = 0; i < length; i++)
        {
            double magnitude = (Philox.Word(seed, stream, 3, i) + 0.5) / 4294967296.0,
                turn = Philox.Word(seed, stream, 4, i) / 4294967296.0;
            // Box–Muller transform, with the standard deviation of the uniform distribution.
            double normal = Math.Sqrt(-2 * Math.Log(magnitude) / 3) * Math.Cos(2 * Math.PI * turn);
            reals[i] = (float)(limit * values switch
            {
                RealValues.Normal => normal,
                RealValues.Rectified => Math.Max(0, normal),
                _ => Math.ScaleB(2 * turn - 1, -(int)(13 * magnitude)),
            });
        }
        return reals;
    }

    /// <summary>Returns real values for a parameter: weights as in He et al., nonzero biases and shifts, positive
    /// variances, counts of batches.</summary>
    public float[] Parameter(int stream, ParameterSpec spec) => spec.Role switch
    {
        ParameterRole.Weight => Uniform(stream, spec.Length, Math.Sqrt(6.0 / spec.FanIn)),
        ParameterRole.Scale or ParameterRole.RunningVariance => Uniform(stream, spec.Length, 0.5, centre: 1),
        ParameterRole.BatchCount => Array.ConvertAll(Integers(stream, spec.Length, MostBatches), Math.Abs),
        _ => Uniform(stream, spec.Length, 0.5),
    };
}
