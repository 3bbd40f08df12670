namespace ConvNet.Serialization;

/// <summary>What is trained, for those who look at a log.</summary>
/// <param name="Model">The name of the network.</param>
/// <param name="Data">The name of the data set.</param>
public sealed record RunDescription(string Model, string Data)
{
    /// <summary>The names of the classes; empty if there are none.</summary>
    public IReadOnlyList<string> ClassNames { get; init; } = [];

    /// <summary>What the samples are for that are tested after every epoch, such as <c>test</c> or
    /// <c>validation</c>.</summary>
    public string Tested { get; init; } = "test";

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(RunDescription), (nameof(Model), Model),
        (nameof(Data), Data), (nameof(ClassNames), ClassNames), (nameof(Tested), Tested));
}
