using System.Globalization;

namespace ConvNet.GradientChecking;

/// <summary>A deviation of a third-party backend that is accepted until a date.</summary>
/// <remarks>It covers the comparisons of one backend whose layer, kind and tensor match its patterns, in which <c>*</c>
/// matches any characters and <c>?</c> one. A <see cref="Baseline"/> holds a list of them.</remarks>
public sealed record AcceptedDeviation
{
    /// <summary>Creates a deviation that covers every comparison of a backend, whatever its error.</summary>
    /// <param name="backend">The name of the backend in reports, such as <c>torchsharp</c>.</param>
    /// <param name="reason">Why the deviation is accepted.</param>
    /// <param name="expires">The last day on which it is accepted, in UTC.</param>
    /// <exception cref="ArgumentNullException"><paramref name="backend"/> or <paramref name="reason"/> is
    /// null.</exception>
    /// <exception cref="ArgumentException">The backend is missing, a pattern, or the reference; or the reason is
    /// missing.</exception>
    public AcceptedDeviation(string backend, string reason, DateOnly expires)
    {
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(reason);
        if (backend == LayerReport.Reference)
            throw new ArgumentException("The reference has no accepted deviations: every other result is compared with "
                + "it. Name a backend.", nameof(backend));
        if (backend.Trim().Length == 0 || backend.AsSpan().ContainsAny('*', '?'))
            throw new ArgumentException($"The backend is \"{backend}\"; name exactly one backend, such as torchsharp.",
                nameof(backend));
        if (reason.Trim().Length == 0)
            throw new ArgumentException("The reason is empty. State why the deviation is accepted, such as a link to "
                + "the bug report.", nameof(reason));
        (Backend, Reason, Expires) = (backend, reason, expires);
    }

    /// <summary>The name of the backend in reports.</summary>
    public string Backend { get; }

    /// <summary>Why the deviation is accepted.</summary>
    public string Reason { get; }

    /// <summary>The last day on which it is accepted, in UTC.</summary>
    public DateOnly Expires { get; }

    /// <summary>The pattern of <see cref="LayerReport.Layer"/>.</summary>
    public string Layer { get; init; } = "*";

    /// <summary>The pattern of <see cref="LayerReport.Kind"/>.</summary>
    public string Kind { get; init; } = "*";

    /// <summary>The pattern of <see cref="TensorReport.Name"/>.</summary>
    public string Tensor { get; init; } = "*";

    /// <summary>The mode of the comparison; null for every mode.</summary>
    public CheckModes? Mode { get; init; }

    /// <summary>The largest accepted error as a multiple of its bound, above 0. Infinity accepts any error; where the
    /// bits must be equal, every error is infinite.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not above 0.</exception>
    public double MostInBounds
    {
        get;
        init => field = value > 0
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), FormattableString.Invariant(
                $"The accepted error is {value} bounds; it must be above 0."));
    } = double.PositiveInfinity;

    /// <summary>The largest accepted number of wrong elements, 1 or more.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1.</exception>
    public int MostElements
    {
        get;
        init => field = value >= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), $"The accepted number of elements is {value}; it "
                + "must be at least 1.");
    } = int.MaxValue;

    /// <summary>Returns what is accepted and until when.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Tensor} of {Layer}{(Kind == "*" ? "" : $" ({Kind})")} on {Backend}, "
            + $"{(Mode is { } mode ? GradientWords.Of(mode) : "every mode")}, until {Expires:yyyy-MM-dd}");

    /// <summary>Whether it covers a comparison.</summary>
    internal bool Covers(LayerReport layer, TensorReport tensor) => layer.Backend == Backend
        && (Mode is null || Mode == layer.Mode) && Matches(Layer, layer.Layer) && Matches(Kind, layer.Kind)
        && Matches(Tensor, tensor.Name);

    /// <summary>Judges the deviation of a comparison that it covers.</summary>
    internal AcceptanceOutcome Judge(TensorReport tensor, DateOnly today)
        => tensor.WorstInBounds > MostInBounds || tensor.Failed > MostElements
            ? AcceptanceOutcome.Exceeded
            : today > Expires ? AcceptanceOutcome.Expired : AcceptanceOutcome.Accepted;

    // Names of layers may themselves contain a star.
    private static bool Matches(string pattern, string name)
        => pattern == name || ParameterGroup.Matches(pattern, name);
}

/// <summary>What a baseline says of a deviation.</summary>
public enum AcceptanceOutcome
{
    /// <summary>The deviation is accepted.</summary>
    Accepted,

    /// <summary>The deviation was accepted until a date that has passed.</summary>
    Expired,

    /// <summary>The deviation is larger than what is accepted.</summary>
    Exceeded,
}

/// <summary>The judgement of a deviating tensor by a baseline.</summary>
/// <param name="Deviation">The entry of the baseline that covers the tensor.</param>
/// <param name="Outcome">The judgement.</param>
public sealed record Acceptance(AcceptedDeviation Deviation, AcceptanceOutcome Outcome);

/// <summary>An entry of a baseline that covers no deviation of a check.</summary>
/// <param name="Deviation">The entry.</param>
/// <param name="Compared">Whether it covers a comparison, none of which deviates. Otherwise, the check did not compare
/// what it covers.</param>
public sealed record UnneededDeviation(AcceptedDeviation Deviation, bool Compared)
{
    /// <summary>Returns the finding and what to do.</summary>
    public override string ToString() => Compared
        ? $"accepted deviation no longer needed: {Deviation}; remove it from the baseline"
        : $"accepted deviation without a comparison: {Deviation}; this check did not compare it";
}
