namespace ConvNet;

/// <summary>Receives a bucket of gradients during a backward pass.</summary>
/// <param name="bucket">The bucket; it must not be used after the call.</param>
public delegate void GradientReadyCallback(GradientBucket bucket);

/// <summary>A group of gradients that are final while the backward pass continues. It is the unit of an
/// all-reduce.</summary>
/// <remarks>
/// Buckets are numbered in the order in which they are reported, from the last layers to the first. They contain the
/// same parameters on every backend.
/// </remarks>
public readonly ref struct GradientBucket
{
    private readonly Executable _executable;

    internal GradientBucket(Executable executable, int index, int count, IReadOnlyList<Parameter> parameters,
        Span<float> values)
    {
        (_executable, Index, Count, Parameters) = (executable, index, count, parameters);
        Values = values;
    }

    /// <summary>The index of this bucket, from 0.</summary>
    public int Index { get; }

    /// <summary>The number of buckets that a backward pass reports.</summary>
    public int Count { get; }

    /// <summary>The parameters whose gradients the bucket contains.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>All gradient values of the bucket, in place; they can be read and changed.</summary>
    /// <remarks>
    /// The order of the values is specific to the backend, which may also put zeros between them; these must stay zero.
    /// The order is the same in all executables of one graph and <see cref="TrainingSpec"/> on the same backend and
    /// instruction set, so that sums and averages over executables can be computed value by value. <see cref="Read"/>
    /// and <see cref="Write"/> access the values of one parameter in the order of its dimensions.
    /// </remarks>
    public Span<float> Values { get; }

    /// <summary>Reads the gradient of a parameter of the bucket, in the order of its dimensions.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="values">Receives the values; its length must be that of the parameter.</param>
    /// <exception cref="ArgumentNullException"><paramref name="parameter"/> is null.</exception>
    /// <exception cref="ArgumentException">The parameter is in another bucket, or has another length.</exception>
    public void Read(Parameter parameter, Span<float> values)
        => _executable.ReadGradientOf(Parameters, parameter, values);

    /// <summary>Writes the gradient of a parameter of the bucket, in the order of its dimensions.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="values">The values; the length must be that of the parameter.</param>
    /// <exception cref="ArgumentNullException"><paramref name="parameter"/> is null.</exception>
    /// <exception cref="ArgumentException">The parameter is in another bucket, or has another length.</exception>
    public void Write(Parameter parameter, ReadOnlySpan<float> values)
        => _executable.WriteGradientOf(Parameters, parameter, values);
}
