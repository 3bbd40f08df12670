using static System.FormattableString;

namespace ConvNet.Interpretation;

/// <summary>The feature maps that an operation of a network computes from one sample: a map for each channel.</summary>
/// <param name="Operation">The operation. A backend may fuse several nodes into one, as a convolution and the
/// activation behind it; the maps are then those of the last node.</param>
/// <param name="Values">The values, C×H×W.</param>
public sealed record FeatureMaps(TracedOperation Operation, float[] Values)
{
    /// <summary>The shape C, H, W of the values.</summary>
    public Shape Shape => Operation.Output.Shape;

    /// <summary>The fraction of the values that are above 0.</summary>
    public double Active => (double)Values.Count(value => value > 0) / Values.Length;

    /// <summary>The number of maps without a value above 0, as those of a dead rectified linear unit.</summary>
    public int Dead => Enumerable.Range(0, Shape.C).Count(c => !Map(c).ContainsAnyInRange(float.Epsilon,
        float.PositiveInfinity));

    /// <summary>Returns the values of a map, H×W.</summary>
    /// <param name="channel">The channel, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such channel.</exception>
    public ReadOnlySpan<float> Map(int channel)
    {
        if (channel < 0 || channel >= Shape.C)
            throw new ArgumentOutOfRangeException(nameof(channel),
                $"There is no channel {channel} in {Shape}; they are numbered from 0.");
        return Values.AsSpan(channel * Shape.Area, Shape.Area);
    }

    /// <summary>Runs a network in inference mode and returns the maps of all operations, in the order in which they
    /// run.</summary>
    /// <param name="network">An executable of a backend that shows its operations, as those of this library
    /// do.</param>
    /// <param name="sample">One sample of the network's only input, C×H×W values.</param>
    /// <exception cref="ArgumentNullException"><paramref name="network"/> is null.</exception>
    /// <exception cref="ArgumentException">The sample has another length.</exception>
    /// <exception cref="InvalidOperationException">The network has several inputs, or a parameter has not been
    /// written.</exception>
    /// <exception cref="NotSupportedException">The backend does not show its operations.</exception>
    public static IReadOnlyList<FeatureMaps> Of(IExecutable network, ReadOnlySpan<float> sample)
    {
        ArgumentNullException.ThrowIfNull(network);
        Shape input = network.Graph.Input.Shape;
        if (sample.Length != input.Length)
            throw new ArgumentException(Invariant($"A sample of {input} has {input.Length:N0} values, but ")
                + Invariant($"{sample.Length:N0} were passed. Pass one sample."), nameof(sample));
        var maps = new List<FeatureMaps>();
        Tracing.Infer(network, sample, tensor => maps.Add(new FeatureMaps(tensor.Operation, tensor.Values.ToArray())));
        return maps;
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(FeatureMaps), (nameof(Operation), Operation),
        (nameof(Shape), Shape));
}
