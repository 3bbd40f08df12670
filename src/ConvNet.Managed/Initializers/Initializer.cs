using MathNet.Numerics.Distributions;
using MathNet.Numerics.Random;

namespace ConvNet;

/// <summary>Sets the initial values of parameters that are drawn at random. The others start at their
/// <see cref="InitialValue"/>.</summary>
/// <remarks>The values of a parameter depend only on the seed and on its index in the graph. They are the same on every
/// backend.</remarks>
public abstract record Initializer
{
    /// <summary>Writes the initial values of one parameter.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="parameter"/> is null.</exception>
    public void Fill(Parameter parameter, Span<float> values)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        if (parameter.Initial.Value is { } constant)
        {
            values.Fill(constant);
            return;
        }
        try
        {
            Initializer initializer = parameter.Initial is DrawnInitialValue drawn ? drawn.For(OwnSeed) : this;
            initializer.FillWeight(parameter, values);
        }
        catch (Exception error) when (FailurePlace.Note(error, $"{parameter.Name} ({GetType().Name})"))
        {
            throw;
        }
    }

    /// <summary>The seed that is passed to a layer's own initialiser.</summary>
    private protected virtual int OwnSeed => 0;

    /// <summary>Writes the initial values of a weight.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="parameter"/> is null.</exception>
    protected abstract void FillWeight(Parameter parameter, Span<float> values);
}

/// <summary>An initialiser that draws from a distribution scaled by the fan-in and fan-out of each weight.</summary>
/// <param name="Seed">The seed of the random numbers.</param>
public abstract record RandomInitializer(int Seed) : Initializer
{
    private protected sealed override int OwnSeed => Seed;

    /// <summary>Returns the distribution of a weight over a source of random numbers.</summary>
    protected abstract IContinuousDistribution DistributionOf(Parameter parameter, Random source);

    /// <summary>Returns a scale of the distribution after checking that it is finite and not negative.</summary>
    private protected static double FromZero(double scale, string name, string what)
        => scale is >= 0 and < double.PositiveInfinity
        ? scale
        : throw new ArgumentOutOfRangeException(name,
            $"The {what} is {scale}; it must be a finite number of at least 0.");

    /// <inheritdoc/>
    protected sealed override void FillWeight(Parameter parameter, Span<float> values)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        // One random stream per parameter. The mixing constant separates neighbouring seeds and parameters.
        var source = new Xoshiro256StarStar(unchecked(Seed + parameter.Index * (int)0x9E3779B9), threadSafe: false);
        IContinuousDistribution distribution = DistributionOf(parameter, source);
        for (int i = 0; i < values.Length; i++)
            values[i] = (float)distribution.Sample();
    }
}

/// <summary>He initialisation: normal with variance 2 / fan-in, for ReLU. Source: He et al., ICCV 2015.</summary>
/// <param name="Seed">The seed of the random numbers.</param>
public sealed record HeNormal(int Seed) : RandomInitializer(Seed)
{
    /// <inheritdoc/>
    protected override IContinuousDistribution DistributionOf(Parameter parameter, Random source)
        => new MathNet.Numerics.Distributions.Normal(0, Math.Sqrt(2.0 / parameter.FanIn), source);
}

/// <summary>He initialisation: uniform in ±√(6 / fan-in). Source: He et al., ICCV 2015.</summary>
/// <param name="Seed">The seed of the random numbers.</param>
public sealed record HeUniform(int Seed) : RandomInitializer(Seed)
{
    /// <inheritdoc/>
    protected override IContinuousDistribution DistributionOf(Parameter parameter, Random source)
        => Symmetric(Math.Sqrt(6.0 / parameter.FanIn), source);

    internal static ContinuousUniform Symmetric(double limit, Random source) => new(-limit, limit, source);
}

/// <summary>Xavier (Glorot) initialisation: normal with variance 2 / (fan-in + fan-out). Source: Glorot and Bengio,
/// AISTATS 2010.</summary>
/// <param name="Seed">The seed of the random numbers.</param>
public sealed record XavierNormal(int Seed) : RandomInitializer(Seed)
{
    /// <inheritdoc/>
    protected override IContinuousDistribution DistributionOf(Parameter parameter, Random source)
        => new MathNet.Numerics.Distributions.Normal(0, Math.Sqrt(2.0 / (parameter.FanIn + parameter.FanOut)), source);
}

/// <summary>Xavier (Glorot) initialisation: uniform in ±√(6 / (fan-in + fan-out)). Source: Glorot and Bengio, AISTATS
/// 2010.</summary>
/// <param name="Seed">The seed of the random numbers.</param>
public sealed record XavierUniform(int Seed) : RandomInitializer(Seed)
{
    /// <inheritdoc/>
    protected override IContinuousDistribution DistributionOf(Parameter parameter, Random source)
        => HeUniform.Symmetric(Math.Sqrt(6.0 / (parameter.FanIn + parameter.FanOut)), source);
}

/// <summary>Normal distribution with mean 0.</summary>
/// <param name="StandardDeviation">The standard deviation; not negative.</param>
/// <param name="Seed">The seed of the random numbers.</param>
/// <exception cref="ArgumentOutOfRangeException">The standard deviation is negative or not finite.</exception>
public sealed record NormalInitializer(double StandardDeviation, int Seed) : RandomInitializer(Seed)
{
    /// <summary>The standard deviation; not negative.</summary>
    public double StandardDeviation { get; init; } =
        FromZero(StandardDeviation, nameof(StandardDeviation), "standard deviation");

    /// <inheritdoc/>
    protected override IContinuousDistribution DistributionOf(Parameter parameter, Random source)
        => new MathNet.Numerics.Distributions.Normal(0, StandardDeviation, source);
}

/// <summary>Uniform distribution in ±limit.</summary>
/// <param name="Limit">The largest magnitude; not negative.</param>
/// <param name="Seed">The seed of the random numbers.</param>
/// <exception cref="ArgumentOutOfRangeException">The limit is negative or not finite.</exception>
public sealed record UniformInitializer(double Limit, int Seed) : RandomInitializer(Seed)
{
    /// <summary>The largest magnitude; not negative.</summary>
    public double Limit { get; init; } = FromZero(Limit, nameof(Limit), "limit");

    /// <inheritdoc/>
    protected override IContinuousDistribution DistributionOf(Parameter parameter, Random source)
        => HeUniform.Symmetric(Limit, source);
}

/// <summary>Sets all weights to the same value.</summary>
/// <param name="Value">The value; finite.</param>
/// <exception cref="ArgumentOutOfRangeException">The value is not finite.</exception>
public sealed record ConstantInitializer(float Value) : Initializer
{
    /// <summary>The value; finite.</summary>
    public float Value { get; init; } = float.IsFinite(Value)
        ? Value
        : throw new ArgumentOutOfRangeException(nameof(Value),
            $"The initial value of a weight is {Value}; it must be a finite number.");

    /// <inheritdoc/>
    protected override void FillWeight(Parameter parameter, Span<float> values) => values.Fill(Value);
}
