using ConvNet.Serialization;

namespace ConvNet.Measurement;

/// <summary>Reads a list of layer descriptors, one per line. As in benchdnn, empty lines and lines that start with #
/// are ignored.</summary>
public static class ShapeFile
{
    /// <summary>Reads a file.</summary>
    /// <exception cref="FormatException">A line is not a valid descriptor; the message starts with the file and
    /// line.</exception>
    /// <exception cref="InvalidDataException">The file is too large or not a text file.</exception>
    /// <exception cref="IOException">The file cannot be read or is not a regular file.</exception>
    public static IReadOnlyList<LayerShape> Read(string path) => Parse(InputFile.Text(path, "list of shapes"), path);

    /// <summary>Parses a list.</summary>
    /// <param name="content">The text.</param>
    /// <param name="path">The path of the file, for error messages.</param>
    /// <exception cref="FormatException">A line is not a valid descriptor; the message starts with the file and
    /// line.</exception>
    internal static IReadOnlyList<LayerShape> Parse(string content, string path)
    {
        var shapes = new List<LayerShape>();
        int number = 0;
        foreach (ReadOnlySpan<char> line in content.AsSpan().EnumerateLines())
        {
            number++;
            string text = line.Trim().ToString();
            if (text.Length == 0 || text.StartsWith('#'))
                continue;
            try
            {
                shapes.Add(LayerShape.Parse(text));
            }
            catch (Exception error) when (error is FormatException or ArgumentException)
            {
                throw new FormatException($"{path}:{number}: {error.Message}", error);
            }
        }
        return shapes.Count > 0 ? shapes : throw new FormatException($"{path}: the file contains no shape.");
    }
}
