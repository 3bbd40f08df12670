namespace ConvNet.Serialization;

/// <summary>A picture in the log of a training.</summary>
/// <param name="Name">What it shows.</param>
/// <param name="Png">The PNG file.</param>
public sealed record LoggedPicture(string Name, ReadOnlyMemory<byte> Png)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(LoggedPicture), (nameof(Name), Name),
        ("Bytes", Png.Length));
}
