using ConvNet.Serialization;

namespace ConvNet.Measurement;

/// <summary>A list of layers: one descriptor a line; empty lines and lines that begin with # are skipped, as benchdnn
/// does.</summary>
public static class ShapeFile
{
    /// <summary>Reads a file.</summary>
    /// <exception cref="FormatException">A line is no descriptor; the message begins with file and line.</exception>
    /// <exception cref="InvalidDataException">The file is too large, or no text.</exception>
    /// <exception cref="IOException">The file cannot be read, or is no regular file.</exception>
    public static IReadOnlyList<LayerShape> Read(string path) => Parse(InputFile.Text(path, "list of shapes"), path);

    /// <summary>Reads a list.</summary>
    /// <param name="content">The text.</param>
    /// <param name="path">Where it comes from, for errors.</param>
    /// <exception cref="FormatException">A line is no descriptor; the message begins with file and line.</exception>
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
        return shapes.Count > 0 ? shapes : throw new FormatException($"{path}: there is no shape in it.");
    }
}
