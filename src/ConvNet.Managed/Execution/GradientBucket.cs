namespace ConvNet;

/// <summary>Takes a bucket of gradients during a backward pass.</summary>
/// <param name="bucket">The bucket; it may not be used after the call.</param>
public delegate void GradientReadyCallback(GradientBucket bucket);

/// <summary>Gradients that are final while the backward pass goes on: what an all-reduce sends.</summary>
/// <remarks>
/// Buckets are numbered in the order in which they are reported, from the last layers to the first, and hold the same
/// parameters on every backend.
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

    /// <summary>The number of this bucket, from 0.</summary>
    public int Index { get; }

    /// <summary>The number of buckets that a backward pass reports.</summary>
    public int Count { get; }

    /// <summary>The parameters whose gradients it holds.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>All values of the bucket where they lie, to be read and changed.</summary>
    /// <remarks>
    /// Their order is the backend's own, and so are zeros between them, which must stay zero. It is the same in all
    /// executables of one graph and <see cref="TrainingSpec"/> on the same backend and instruction set, so that sums
    /// and averages over executables can be taken value by value. <see cref="Read"/> and <see cref="Write"/> take the
    /// values of one parameter in the order of its dimensions.
    /// </remarks>
    public Span<float> Values { get; }

    /// <summary>Reads the gradient of a parameter of the bucket, in the order of its dimensions.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="values">As many values as it has, overwritten.</param>
    /// <exception cref="ArgumentException">It is in another bucket, or has another number of values.</exception>
    public void Read(Parameter parameter, Span<float> values)
        => _executable.ReadGradientOf(Parameters, parameter, values);

    /// <summary>Writes the gradient of a parameter of the bucket, in the order of its dimensions.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="values">As many values as it has.</param>
    /// <exception cref="ArgumentException">It is in another bucket, or has another number of values.</exception>
    public void Write(Parameter parameter, ReadOnlySpan<float> values)
        => _executable.WriteGradientOf(Parameters, parameter, values);
}
