namespace ConvNet;

/// <summary>Specifies how a graph is trained.</summary>
/// <param name="BatchSize">The number of samples in a full batch. The last batch may be smaller.</param>
/// <param name="Losses">The loss, or one loss with its weight for each of several outputs. A <see cref="Loss"/>
/// converts implicitly.</param>
/// <param name="Optimizer">The optimiser.</param>
public sealed record TrainingSpec(int BatchSize, Losses Losses, Optimizer Optimizer)
{
    private readonly int _gradientBucketBytes = 25 << 20;
    private readonly int? _firstGradientBucketBytes;

    /// <summary>Whether the gradients of the inputs are computed, so that
    /// <see cref="IExecutable.ReadInputGradient"/> can read them.</summary>
    public bool InputGradient { get; init; }

    /// <summary>Whether the gradients of the parameters are kept, so that they can be read.</summary>
    /// <remarks>
    /// If false, <see cref="IExecutable.TrainStep"/> may apply the optimiser while it computes the weight gradients and
    /// store no gradients. This needs less memory and gives the same results. Separate calls of
    /// <see cref="IExecutable.Backward(bool)"/> and <see cref="IExecutable.Step"/> still work; the first such call
    /// allocates the memory for the gradients.
    /// </remarks>
    public bool KeepGradients { get; init; } = true;

    /// <summary>The seed of the random masks.</summary>
    public ulong Seed { get; init; }

    /// <summary>The maximum size in bytes of a bucket of gradients passed to <see cref="IExecutable.GradientReady"/>.
    /// The default is 25 MiB. A parameter that is larger gets a bucket of its own.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1.</exception>
    public int GradientBucketBytes
    {
        get => _gradientBucketBytes;
        init => _gradientBucketBytes = value >= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value),
                $"The size of a bucket is {value} bytes; it must be at least 1, which makes one bucket of each "
                    + "parameter.");
    }

    /// <summary>The maximum size in bytes of the first and the last bucket that are reported. A small first one lets an
    /// all-reduce begin soon after the backward pass has begun, a small last one leaves little to do when it ends.
    /// Null, the default, for the size of the others.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1.</exception>
    public int? FirstGradientBucketBytes
    {
        get => _firstGradientBucketBytes;
        init => _firstGradientBucketBytes = value is not < 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value),
                $"The size of the first bucket is {value} bytes; it must be at least 1, which makes a bucket of the "
                    + "last parameter.");
    }
}
