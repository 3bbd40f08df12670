namespace ConvNet.Measurement;

/// <summary>The settings of a comparison.</summary>
public sealed record CompareSettings
{
    /// <summary>The network: a built-in name or a file.</summary>
    public required string Model { get; init; }

    /// <summary>The shape of an image: channels, rows, columns. Null selects the default of the network.</summary>
    public string? Input { get; init; }

    /// <summary>The batch size.</summary>
    public required int Batch { get; init; }

    /// <summary>The backends and variants, for example <c>native</c>, <c>native:avx2</c>,
    /// <c>native:accurate</c>.</summary>
    public required IReadOnlyList<string> Backends { get; init; }

    /// <summary>The thread counts. Variants run only with the highest.</summary>
    public required IReadOnlyList<int> Threads { get; init; }

    /// <summary>The time in seconds after which no further turn starts.</summary>
    public double LimitSeconds { get; init; } = 50;

    /// <summary>The length of a turn in milliseconds. A call that takes longer forms a turn by itself.</summary>
    public double TurnMilliseconds { get; init; } = 100;

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(CompareSettings), (nameof(Model), Model),
        (nameof(Input), Input), (nameof(Batch), Batch), (nameof(Backends), Backends), (nameof(Threads), Threads),
        (nameof(LimitSeconds), LimitSeconds), (nameof(TurnMilliseconds), TurnMilliseconds));
}
