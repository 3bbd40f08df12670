using System.Globalization;
using ConvNet.Serialization;
using Onnx;

namespace ConvNet.Onnx;

/// <summary>Reads the data of constants that are stored in files beside the ONNX file.</summary>
/// <param name="folder">The folder of the ONNX file; null if there is none, so that all data must be in the
/// file.</param>
internal sealed class ExternalData(string? folder)
{
    private readonly HashSet<string> _files = new(StringComparer.Ordinal);

    /// <summary>The files that were read.</summary>
    public IReadOnlyCollection<string> Files => _files;

    /// <summary>Reads the bytes of a constant.</summary>
    /// <param name="tensor">The constant.</param>
    /// <param name="bytes">The number of bytes that it must have.</param>
    /// <param name="place">Where it is, for errors.</param>
    /// <exception cref="InvalidDataException">The location is missing, is outside the folder, or has fewer
    /// bytes.</exception>
    public ReadOnlyMemory<byte> Read(TensorProto tensor, long bytes, string place)
    {
        string? location = Entry(tensor, "location");
        long offset = Number(tensor, "offset", place) ?? 0, length = Number(tensor, "length", place) ?? bytes;
        if (string.IsNullOrEmpty(location))
            throw new InvalidDataException($"{place} has no location of its data.");
        if (length != bytes)
            throw new InvalidDataException($"{place} takes {bytes:N0} bytes according to its sizes, but {length:N0} "
                + "according to its location.");
        string path = PathOf(location, place);
        using FileStream file = Open(path, place);
        _files.Add(path);
        if (offset > file.Length - bytes)
            throw new InvalidDataException($"{place}: {Excerpt.Of(location)} has {file.Length:N0} bytes, but the data "
                + $"is {bytes:N0} bytes from {offset:N0} on.");
        var read = new byte[bytes];
        file.Position = offset;
        file.ReadExactly(read);
        return read;
    }

    // Only files of the model's folder are read: a model from elsewhere must not name any other file of this machine.
    private string PathOf(string location, string place)
    {
        if (folder is null)
            throw new InvalidDataException($"{place} is stored in another file, {Excerpt.Of(location)}. Open the model "
                + "by its path, so that its folder is known.");
        string[] names = location.Split('/', '\\');
        if (Path.IsPathRooted(location) || names.Any(name => name is "" or "." or ".." || name.Contains(':')
            || name.Any(char.IsControl)))
            throw new InvalidDataException($"{place} is stored in {Excerpt.Of(location)}, which is not a path inside "
                + "the folder of the model.");
        string path = folder;
        foreach (string name in names)
        {
            path = Path.Combine(path, name);
            if (new FileInfo(path).LinkTarget is not null)
                throw new InvalidDataException($"{place} is stored in {Excerpt.Of(location)}, and {Excerpt.Of(name)} "
                    + "is a link, which may lead out of the folder of the model. Copy the file there.");
        }
        return path;
    }

    private static FileStream Open(string path, string place)
    {
        try
        {
            return InputFile.Open(path);
        }
        catch (IOException error)
        {
            throw new InvalidDataException($"{place}: its data cannot be read. {error.Message}", error);
        }
    }

    private static long? Number(TensorProto tensor, string key, string place)
    {
        if (Entry(tensor, key) is not { } text)
            return null;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number
            : throw new InvalidDataException($"{place} has the {key} \"{Excerpt.Of(text)}\"; it must be a whole number "
                + "from 0.");
    }

    private static string? Entry(TensorProto tensor, string key)
        => tensor.ExternalData.LastOrDefault(entry => entry.Key == key)?.Value;
}
