namespace ConvNet.GradientChecking;

/// <summary>The ways to compare gradients; see <see cref="GradientCheck"/>.</summary>
[Flags]
public enum CheckModes
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Layer by layer on whole numbers small enough that float32 never rounds: bit for bit.</summary>
    Exact = 1,

    /// <summary>Layer by layer on real numbers, against the double reference and its error bound.</summary>
    Real = 2,

    /// <summary>Several layers at a time on whole numbers, through one optimiser step: bit for bit.</summary>
    Segments = 4,

    /// <summary>The whole network: as close to the double run as a float32 run can be.</summary>
    EndToEnd = 8,

    /// <summary>The double reference itself against finite differences.</summary>
    FiniteDifferences = 16,

    /// <summary>All of them.</summary>
    All = Exact | Real | Segments | EndToEnd | FiniteDifferences,
}

/// <summary>How the real numbers of a check are distributed.</summary>
public enum RealValues
{
    /// <summary>Uniform around 0.</summary>
    Uniform,

    /// <summary>Normal around 0.</summary>
    Normal,

    /// <summary>Inputs as behind a ReLU: half of them 0, the others positive and normal.</summary>
    Rectified,

    /// <summary>Of very different magnitudes: powers of two from 2⁻¹² to 1 times uniform ones.</summary>
    Wide,
}

/// <summary>How a gradient check is done.</summary>
public sealed record GradientCheckOptions
{
    /// <summary>The comparisons to make.</summary>
    public CheckModes Modes { get; init; } = CheckModes.All;

    /// <summary>Samples in a batch, 1 or more; a power of two keeps a mean over it exact.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no sample.</exception>
    public int BatchSize
    {
        get;
        init => field = value >= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), $"A batch of {value} samples has no gradients to "
                + "check; the batch size starts at 1.");
    } = 4;

    /// <summary>A layer of more multiply-adds than that is compared on a sample of its results in real-valued mode and
    /// with finite differences; exact mode compares all of them.</summary>
    public long MostTerms { get; init; } = 1 << 25;

    /// <summary>Ends the check with an <see cref="OperationCanceledException"/>, between two runs of a layer or of the
    /// network.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>The seed of all values.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>How real numbers are distributed where a layer is checked by itself.</summary>
    public RealValues Values { get; init; }

    /// <summary>The largest magnitude of the whole numbers that a layer is given in exact mode, from 1 to 16.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    public int LargestInteger
    {
        get;
        init => field = value is >= 1 and <= 16
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), $"Whole numbers of up to {value} in magnitude are "
                + "not used; the largest is from 1 to 16.");
    } = 16;

    /// <summary>What the outcome depends on: all but <see cref="Cancellation"/>.</summary>
    public override string ToString() => RecordText.Of(nameof(GradientCheckOptions), (nameof(Modes), Modes),
        (nameof(BatchSize), BatchSize), (nameof(MostTerms), MostTerms), (nameof(Seed), Seed), (nameof(Values), Values),
        (nameof(LargestInteger), LargestInteger));
}
