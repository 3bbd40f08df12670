namespace ConvNet.Serialization;

/// <summary>Pictures of what a network has learned so far, for the log of its training.</summary>
public sealed record LoggedPictures
{
    /// <summary>The sample whose maps are shown; null if there is none.</summary>
    public LoggedPicture? Sample { get; init; }

    /// <summary>The filters of the first convolution; null if there is none.</summary>
    public LoggedPicture? Filters { get; init; }

    /// <summary>The maps that operations compute from the sample, in the order of the operations.</summary>
    public IReadOnlyList<LoggedPicture> Maps { get; init; } = [];

    /// <summary>The number of samples among which the mistakes were looked for.</summary>
    public int Examined { get; init; }

    /// <summary>The worst mistakes, the worst first.</summary>
    public IReadOnlyList<LoggedMistake> Mistakes { get; init; } = [];

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(LoggedPictures), (nameof(Sample), Sample),
        (nameof(Filters), Filters), (nameof(Maps), Maps), (nameof(Examined), Examined),
        (nameof(Mistakes), Mistakes));
}
