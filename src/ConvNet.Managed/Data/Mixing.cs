using System.Numerics.Tensors;

namespace ConvNet.Data;

/// <summary>Mixes each sample of a batch with the one before it, the first with the last.</summary>
internal static class Mixing
{
    /// <summary>The attribute α of the distribution of shares.</summary>
    public static AttributeDeclaration<double> Alpha<TOwner>(Func<TOwner, double> get)
        => AttributeDeclaration.Number("alpha", get, NumberInterval.AboveZero, 1);

    /// <summary>Mixes all inputs.</summary>
    /// <param name="batch">The samples.</param>
    /// <param name="mix">Mixes an input into that of the next sample.</param>
    public static void Inputs(in BatchSamples batch, Mixer mix)
    {
        for (int i = 0; i < batch.InputShapes.Count; i++)
        {
            float[] last = batch.InputOf(i, batch.Count - 1).ToArray();
            for (int n = batch.Count - 1; n >= 0; n--)
                mix(batch.InputShapes[i].Shape, n > 0 ? batch.InputOf(i, n - 1) : last, batch.InputOf(i, n));
        }
    }

    /// <summary>Mixes all targets.</summary>
    /// <param name="batch">The samples.</param>
    /// <param name="share">The share of a sample in the mixture.</param>
    public static void Targets(in BatchSamples batch, float share)
    {
        for (int i = 0; i < batch.TargetCount; i++)
        {
            float[] last = batch.TargetOf(i, batch.Count - 1).ToArray();
            for (int n = batch.Count - 1; n >= 0; n--)
                Blend(n > 0 ? batch.TargetOf(i, n - 1) : last, batch.TargetOf(i, n), share);
        }
    }

    /// <summary>Computes own = share·own + (1 − share)·other.</summary>
    public static void Blend(ReadOnlySpan<float> other, Span<float> own, float share)
    {
        TensorPrimitives.Multiply(own, share, own);
        TensorPrimitives.MultiplyAdd(other, 1 - share, own, own);
    }

    /// <summary>Draws a share from the distribution Beta(α, α).</summary>
    public static double Share(RandomSequence random, double alpha)
    {
        // X / (X + Y) of two gamma variates, by their logarithms, which do not underflow where α is small.
        double x = LogOfGamma(random, alpha), y = LogOfGamma(random, alpha);
        return 1 / (1 + Math.Exp(y - x));
    }

    // Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 26, 2000.
    private static double LogOfGamma(RandomSequence random, double alpha)
    {
        if (alpha < 1)
            return LogOfGamma(random, alpha + 1) + Math.Log(AboveZero(random)) / alpha;
        double d = alpha - 1.0 / 3, c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            double normal = Math.Sqrt(-2 * Math.Log(AboveZero(random))) * Math.Cos(2 * Math.PI * random.Uniform(0, 1)),
                root = 1 + c * normal;
            if (root <= 0)
                continue;
            double v = root * root * root, log = Math.Log(v);
            if (Math.Log(AboveZero(random)) < normal * normal / 2 + d - d * v + d * log)
                return Math.Log(d) + log;
        }
    }

    // In (0, 1], so that its logarithm is finite.
    private static double AboveZero(RandomSequence random) => 1 - random.Uniform(0, 1);

    /// <summary>Mixes the input of another sample into an input.</summary>
    internal delegate void Mixer(Shape shape, ReadOnlySpan<float> other, Span<float> own);
}
