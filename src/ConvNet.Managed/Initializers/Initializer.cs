using MathNet.Numerics.Distributions;
using MathNet.Numerics.Random;

namespace ConvNet;

/// <summary>Where parameters start: weights from a distribution, biases 0, scales 1, running statistics 0 and 1.</summary>
/// <remarks>The values of a parameter depend on the seed and on its place in the graph alone, so every backend starts alike.</remarks>
public abstract record Initializer
{
    /// <summary>Writes the initial values of one parameter.</summary>
    public void Fill(Parameter parameter, Span<float> values)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        switch (parameter.Role)
        {
            case ParameterRole.Weight:
                FillWeight(parameter, values);
                break;
            case ParameterRole.Scale or ParameterRole.RunningVariance:
                values.Fill(1f);
                break;
            default:
                values.Clear();
                break;
        }
    }

    /// <summary>Writes the initial values of a weight.</summary>
    protected abstract void FillWeight(Parameter parameter, Span<float> values);
}

/// <summary>An initialiser that draws from a distribution scaled by each weight's fans.</summary>
/// <param name="Seed">The seed of the random numbers.</param>
public abstract record RandomInitializer(int Seed) : Initializer
{
    /// <summary>The distribution of a weight, over the given source of random numbers.</summary>
    protected abstract IContinuousDistribution DistributionOf(Parameter parameter, Random source);

    /// <inheritdoc/>
    protected sealed override void FillWeight(Parameter parameter, Span<float> values)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        // One stream per parameter: the mixing constant keeps neighbouring seeds and parameters apart.
        var source = new Xoshiro256StarStar(unchecked(Seed + parameter.Index * (int)0x9E3779B9), threadSafe: false);
        IContinuousDistribution distribution = DistributionOf(parameter, source);
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)distribution.Sample();
    }
}

/// <summary>He: normal with variance 2 / fan-in, made for ReLU. Source: He et al., ICCV 2015.</summary>
/// <param name="Seed">The seed of the random numbers.</param>
public sealed record HeNormal(int Seed) : RandomInitializer(Seed)
{
    /// <inheritdoc/>
    protected override IContinuousDistribution DistributionOf(Parameter parameter, Random source)
        => new MathNet.Numerics.Distributions.Normal(0, Math.Sqrt(2.0 / parameter.FanIn), source);
}

/// <summary>He: uniform in ±√(6 / fan-in). Source: He et al., ICCV 2015.</summary>
/// <param name="Seed">The seed of the random numbers.</param>
public sealed record HeUniform(int Seed) : RandomInitializer(Seed)
{
    /// <inheritdoc/>
    protected override IContinuousDistribution DistributionOf(Parameter parameter, Random source)
        => Symmetric(Math.Sqrt(6.0 / parameter.FanIn), source);

    internal static ContinuousUniform Symmetric(double limit, Random source) => new(-limit, limit, source);
}

/// <summary>Xavier (Glorot): normal with variance 2 / (fan-in + fan-out). Source: Glorot and Bengio, AISTATS 2010.</summary>
/// <param name="Seed">The seed of the random numbers.</param>
public sealed record XavierNormal(int Seed) : RandomInitializer(Seed)
{
    /// <inheritdoc/>
    protected override IContinuousDistribution DistributionOf(Parameter parameter, Random source)
        => new MathNet.Numerics.Distributions.Normal(0, Math.Sqrt(2.0 / (parameter.FanIn + parameter.FanOut)), source);
}

/// <summary>Xavier (Glorot): uniform in ±√(6 / (fan-in + fan-out)). Source: Glorot and Bengio, AISTATS 2010.</summary>
/// <param name="Seed">The seed of the random numbers.</param>
public sealed record XavierUniform(int Seed) : RandomInitializer(Seed)
{
    /// <inheritdoc/>
    protected override IContinuousDistribution DistributionOf(Parameter parameter, Random source)
        => HeUniform.Symmetric(Math.Sqrt(6.0 / (parameter.FanIn + parameter.FanOut)), source);
}

/// <summary>Normal with mean 0.</summary>
/// <param name="StandardDeviation">The standard deviation.</param>
/// <param name="Seed">The seed of the random numbers.</param>
public sealed record NormalInitializer(double StandardDeviation, int Seed) : RandomInitializer(Seed)
{
    /// <inheritdoc/>
    protected override IContinuousDistribution DistributionOf(Parameter parameter, Random source)
        => new MathNet.Numerics.Distributions.Normal(0, StandardDeviation, source);
}

/// <summary>Uniform in ±limit.</summary>
/// <param name="Limit">The largest magnitude.</param>
/// <param name="Seed">The seed of the random numbers.</param>
public sealed record UniformInitializer(double Limit, int Seed) : RandomInitializer(Seed)
{
    /// <inheritdoc/>
    protected override IContinuousDistribution DistributionOf(Parameter parameter, Random source) => HeUniform.Symmetric(Limit, source);
}

/// <summary>The same value for every weight.</summary>
/// <param name="Value">The value.</param>
public sealed record ConstantInitializer(float Value) : Initializer
{
    /// <inheritdoc/>
    protected override void FillWeight(Parameter parameter, Span<float> values) => values.Fill(Value);
}
