namespace ConvNet.Serialization;

/// <summary>The newest intact checkpoint of a folder.</summary>
/// <param name="File">The path of the file.</param>
/// <param name="Model">Its content, with a <see cref="SavedModel.Training"/>.</param>
/// <param name="Damaged">The reasons why newer files cannot be read, newest first; each begins with the path of the
/// file.</param>
public sealed record FoundCheckpoint(string File, SavedModel Model, IReadOnlyList<string> Damaged)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(FoundCheckpoint), (nameof(File), File),
        (nameof(Damaged), Damaged));
}
