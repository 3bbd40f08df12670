namespace ConvNet.Measurement;

/// <summary>How a measurement goes.</summary>
public sealed record BenchSettings
{
    /// <summary>The backends, in the order in which they take turns. With a colon, an algorithm of the native one,
    /// which is left out where it cannot be taken: <c>native:winograd4</c>; or a variant of torchsharp:
    /// <c>torchsharp:unpadded</c>.</summary>
    public required IReadOnlyList<string> Backends { get; init; }

    /// <summary>Turns that every backend has in each case.</summary>
    public int Rounds { get; init; } = 7;

    /// <summary>Length of a turn in milliseconds; a call that takes longer is a turn by itself.</summary>
    public double TurnMilliseconds { get; init; } = 150;

    /// <summary>Warm-up before the first turn in milliseconds, two calls at least.</summary>
    public double WarmMilliseconds { get; init; } = 150;

    /// <summary>Length of the profile of a network in milliseconds, behind its turns; none where it is 0.</summary>
    public double ProfileMilliseconds { get; init; }

    /// <summary>Calls of a profile of which it is also told when each part ran.</summary>
    public int TracedCalls { get; init; }

    /// <summary>Seconds after which a case gets no further round, but for the first.</summary>
    public double PatienceSeconds { get; init; } = 60;

    /// <summary>The instruction set of the native backend and of the peak; the best one where it is null.</summary>
    public string? Isa { get; init; }

    /// <summary>The algorithm of the native backend where its name does not say; what cannot take it runs
    /// direct.</summary>
    public string Algorithm { get; init; } = AlgorithmNames.Auto;

    /// <summary>The precision of the native backend, as <c>fast</c>; its own default where it is null.</summary>
    public string? Precision { get; init; }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(BenchSettings), (nameof(Backends), Backends),
        (nameof(Rounds), Rounds), (nameof(TurnMilliseconds), TurnMilliseconds),
        (nameof(WarmMilliseconds), WarmMilliseconds), (nameof(ProfileMilliseconds), ProfileMilliseconds),
        (nameof(TracedCalls), TracedCalls), (nameof(PatienceSeconds), PatienceSeconds), (nameof(Isa), Isa),
        (nameof(Algorithm), Algorithm), (nameof(Precision), Precision));
}
