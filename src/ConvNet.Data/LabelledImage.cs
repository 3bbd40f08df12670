namespace ConvNet.Data;

/// <summary>An encoded image and its class.</summary>
/// <param name="name">The path of its file, or the file and the row that it comes from.</param>
/// <param name="label">The class.</param>
/// <param name="content">The encoded image; null if it is read from its file.</param>
internal sealed class LabelledImage(string name, int label, byte[]? content = null)
{
    private byte[]? _content = content, _pixels;

    public string Name { get; } = name;

    public int Label { get; } = label;

    /// <summary>Returns C×H×W values from 0 to 255.</summary>
    /// <inheritdoc cref="ImageFile.Read"/>
    public byte[] Read(Shape shape)
        => _pixels ?? (_content is { } bytes ? ImageFile.Decode(bytes, Name, shape) : ImageFile.Read(Name, shape));

    /// <summary>Keeps the pixels in memory, instead of the encoded image if there is one.</summary>
    public void Keep(byte[] pixels) => (_pixels, _content) = (pixels, null);
}
