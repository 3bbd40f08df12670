namespace ConvNet.Data;

/// <summary>The samples of a batch, for a <see cref="BatchTransform"/>.</summary>
public readonly ref struct BatchSamples
{
    private readonly SampleMemory _memory;

    internal BatchSamples(SampleMemory memory, int count, IReadOnlyList<InputShape> inputs, int targets)
    {
        (_memory, Count) = (memory, count);
        (InputShapes, TargetCount) = (inputs, targets);
    }

    /// <summary>The number of samples, N.</summary>
    public int Count { get; }

    /// <summary>The shapes of the inputs.</summary>
    public IReadOnlyList<InputShape> InputShapes { get; }

    /// <summary>The number of targets of each sample.</summary>
    public int TargetCount { get; }

    /// <summary>Gets an input of a sample, C×H×W.</summary>
    /// <param name="input">The index of the input in <see cref="InputShapes"/>.</param>
    /// <param name="sample">The index of the sample.</param>
    public Span<float> InputOf(int input, int sample) => _memory.Input(input, sample);

    /// <summary>Gets a target of a sample: the probabilities of its classes, or its values.</summary>
    /// <param name="target">The index of the target.</param>
    /// <param name="sample">The index of the sample.</param>
    public Span<float> TargetOf(int target, int sample) => _memory.Values(target, sample);
}
