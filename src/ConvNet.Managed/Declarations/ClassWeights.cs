using System.Collections;
using System.Globalization;
using System.Runtime.CompilerServices;
using static System.FormattableString;

namespace ConvNet;

/// <summary>A weight for each class, for each channel of an output, or for each sample of a data set; empty if
/// there are none.</summary>
/// <remarks>Two values are equal if their weights are. Arrays convert implicitly.</remarks>
[CollectionBuilder(typeof(ClassWeights), nameof(Of))]
public readonly struct ClassWeights : IReadOnlyList<float>, IEquatable<ClassWeights>
{
    private readonly float[]? _weights;

    private ClassWeights(float[] weights) => _weights = weights;

    /// <inheritdoc/>
    public int Count => _weights?.Length ?? 0;

    /// <inheritdoc/>
    public float this[int index] => Span[index];

    /// <summary>Whether there are no weights.</summary>
    public bool IsEmpty => Count == 0;

    /// <summary>The weights.</summary>
    public ReadOnlySpan<float> Span => _weights;

    /// <summary>Wraps a copy of weights.</summary>
    /// <param name="weights">One weight for each class; empty for none.</param>
    /// <exception cref="ArgumentException">A weight is negative, NaN or infinite, or all weights are 0.</exception>
    public static ClassWeights Of(params ReadOnlySpan<float> weights)
    {
        for (int i = 0; i < weights.Length; i++)
        {
            if (!(weights[i] >= 0) || !float.IsFinite(weights[i]))
                throw new ArgumentException(Invariant($"The weight of class {i} is {weights[i]}; it must be a finite ")
                    + "number of at least 0.", nameof(weights));
        }
        return weights.IsEmpty ? default
            : weights.ContainsAnyExcept(0f) ? new ClassWeights(weights.ToArray())
            : throw new ArgumentException("All class weights are 0, so nothing would be learned. Give at least one "
                + "class a weight above 0.", nameof(weights));
    }

    /// <summary>Wraps a copy of weights.</summary>
    public static implicit operator ClassWeights(float[] weights) => Of(weights);

    /// <inheritdoc/>
    public bool Equals(ClassWeights other) => Span.SequenceEqual(other.Span);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is ClassWeights other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => this.Aggregate(0, (hash, weight) => HashCode.Combine(hash, weight));

    /// <summary>Returns the weights, separated by commas.</summary>
    public override string ToString()
        => IsEmpty ? "none" : string.Join(",", this.Select(weight => weight.ToString(CultureInfo.InvariantCulture)));

    /// <inheritdoc/>
    public IEnumerator<float> GetEnumerator() => ((IEnumerable<float>)(_weights ?? [])).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Whether both have the same weights.</summary>
    public static bool operator ==(ClassWeights left, ClassWeights right) => left.Equals(right);

    /// <summary>Whether the weights differ.</summary>
    public static bool operator !=(ClassWeights left, ClassWeights right) => !left.Equals(right);

    /// <summary>Returns as many weights as there are classes, by repeating them or omitting the last ones.</summary>
    internal ClassWeights ForClasses(int classes)
    {
        if (IsEmpty || Count == classes)
            return this;
        float[] weights = [.. Enumerable.Range(0, classes).Select(Repeated)];
        return weights.AsSpan().ContainsAnyExcept(0f) ? new ClassWeights(weights) : default;
    }

    /// <summary>Throws unless there are no weights, or one for each channel of an output.</summary>
    /// <exception cref="ArgumentException">The number of weights differs; the message names both.</exception>
    internal void CheckFor(string output, int classes, string loss, string what)
    {
        if (!IsEmpty && Count != classes)
            throw new ArgumentException($"{loss} has {Count:N0} {what}, but \"{output}\" has {classes:N0} "
                + "classes. Pass one weight for each class.");
    }

    private float Repeated(int i) => _weights![i % Count];
}
