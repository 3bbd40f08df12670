namespace ConvNet.Measurement;

/// <summary>How a comparison goes.</summary>
public sealed record CompareSettings
{
    /// <summary>The network: a name or a file.</summary>
    public required string Model { get; init; }

    /// <summary>Channels, rows and columns of an image; the network's own where it is null.</summary>
    public string? Input { get; init; }

    /// <summary>Images in a batch.</summary>
    public required int Batch { get; init; }

    /// <summary>The backends with their variants, as <c>native</c>, <c>native:avx2</c>,
    /// <c>native:accurate</c>.</summary>
    public required IReadOnlyList<string> Backends { get; init; }

    /// <summary>Numbers of threads. A variant runs with the most only.</summary>
    public required IReadOnlyList<int> Threads { get; init; }

    /// <summary>Seconds after which no further turn is taken.</summary>
    public double LimitSeconds { get; init; } = 50;

    /// <summary>Length of a turn in milliseconds; a call that takes longer is a turn by itself.</summary>
    public double TurnMilliseconds { get; init; } = 100;

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(CompareSettings), (nameof(Model), Model),
        (nameof(Input), Input), (nameof(Batch), Batch), (nameof(Backends), Backends), (nameof(Threads), Threads),
        (nameof(LimitSeconds), LimitSeconds), (nameof(TurnMilliseconds), TurnMilliseconds));
}
