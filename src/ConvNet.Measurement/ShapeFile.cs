namespace ConvNet.Measurement;

/// <summary>A list of layers: one descriptor a line; empty lines and lines that begin with # are skipped, as benchdnn does.</summary>
public static class ShapeFile
{
    /// <summary>Reads a file.</summary>
    /// <exception cref="FormatException">A line is no descriptor; the message begins with file and line.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IReadOnlyList<LayerShape> Read(string path)
    {
        var shapes = new List<LayerShape>();
        int number = 0;
        foreach (string line in File.ReadLines(path))
        {
            number++;
            string text = line.Trim();
            if (text.Length == 0 || text.StartsWith('#'))
                continue;
            try
            {
                shapes.Add(LayerShape.Parse(text));
            }
            catch (FormatException error)
            {
                throw new FormatException($"{path}:{number}: {error.Message}", error);
            }
        }
        return shapes.Count > 0 ? shapes : throw new FormatException($"{path}: there is no shape in it.");
    }
}
