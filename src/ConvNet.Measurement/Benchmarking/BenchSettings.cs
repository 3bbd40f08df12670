using ConvNet.Backends;

namespace ConvNet.Measurement;

/// <summary>The settings of a benchmark run.</summary>
public sealed record BenchSettings
{
    /// <summary>The backends, in the order in which they take turns. A suffix selects an algorithm of the native
    /// backend (<c>native:winograd4</c>), which is skipped for layers that do not support it, or a variant of
    /// torchsharp (<c>torchsharp:unpadded</c>).</summary>
    public required IReadOnlyList<string> Backends { get; init; }

    /// <summary>Turns per backend and case.</summary>
    public int Rounds { get; init; } = 7;

    /// <summary>The length of a turn in milliseconds. A call that takes longer forms a turn by itself.</summary>
    public double TurnMilliseconds { get; init; } = 150;

    /// <summary>The length of the warm-up before the first turn, in milliseconds. It includes at least two
    /// calls.</summary>
    public double WarmMilliseconds { get; init; } = 150;

    /// <summary>The length of the profile that follows the turns of a network, in milliseconds; 0 for no
    /// profile.</summary>
    public double ProfileMilliseconds { get; init; }

    /// <summary>The number of profiled calls for which the time span of each layer is recorded.</summary>
    public int TracedCalls { get; init; }

    /// <summary>The time in seconds after which no further round of a case is started. The first round always
    /// runs.</summary>
    public double TimeLimitSeconds { get; init; } = 60;

    /// <summary>The instruction set of the native backend and of the FMA peak. Null selects the best available
    /// one.</summary>
    public string? Isa { get; init; }

    /// <summary>The algorithm of the native backend if its name does not specify one. Layers that do not support it use
    /// the direct algorithm.</summary>
    public string Algorithm { get; init; } = AlgorithmNames.Auto;

    /// <summary>The precision of the native backend, for example <c>fast</c>. Null selects its default.</summary>
    public string? Precision { get; init; }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(BenchSettings), (nameof(Backends), Backends),
        (nameof(Rounds), Rounds), (nameof(TurnMilliseconds), TurnMilliseconds),
        (nameof(WarmMilliseconds), WarmMilliseconds), (nameof(ProfileMilliseconds), ProfileMilliseconds),
        (nameof(TracedCalls), TracedCalls), (nameof(TimeLimitSeconds), TimeLimitSeconds), (nameof(Isa), Isa),
        (nameof(Algorithm), Algorithm), (nameof(Precision), Precision));
}
