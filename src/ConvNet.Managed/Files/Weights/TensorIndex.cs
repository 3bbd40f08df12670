using System.Text.Json;

namespace ConvNet.Serialization;

/// <summary>An index of the tensors in several safetensors files, as large models are published:
/// <c>{"metadata": {…}, "weight_map": {"conv1.weight": "model-00001-of-00002.safetensors", …}}</c>.</summary>
internal static class TensorIndex
{
    private const string Map = "weight_map";

    /// <summary>Reads the tensors, in the order of the index.</summary>
    /// <param name="path">The path of the index. The files lie in its folder.</param>
    /// <exception cref="InvalidDataException">The index or a file is damaged, or a file has other tensors than the
    /// index says.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static IReadOnlyList<NamedTensor> Read(string path)
    {
        (string Name, string File)[] map = Entries(path);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var found = new Dictionary<string, NamedTensor>(StringComparer.Ordinal);
        foreach (IGrouping<string, string> file in map.GroupBy(entry => entry.File, entry => entry.Name))
        {
            string part = Path.Combine(folder, file.Key);
            if (!File.Exists(part))
                throw new InvalidDataException($"{path} names {Excerpt.Of(file.Key)}, but there is no such file in its "
                    + "folder.");
            SafeTensors read = SafeTensors.Read(part);
            var tensors = read.Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
            if (file.Except(read.Skipped).FirstOrDefault(name => !tensors.ContainsKey(name)) is { } missing)
                throw new InvalidDataException($"{path}: {part} has no tensor \"{Excerpt.Of(missing)}\", which the "
                    + "index says it has.");
            foreach (string name in file.Except(read.Skipped))
                found[name] = tensors[name];
        }
        return [.. map.Where(entry => found.ContainsKey(entry.Name)).Select(entry => found[entry.Name])];
    }

    /// <summary>Returns the files that an index names.</summary>
    /// <inheritdoc cref="Read"/>
    public static IReadOnlyList<string> FilesOf(string path) => [.. Entries(path).Select(entry => entry.File).Distinct()
        .Select(file => Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, file))];

    private static (string Name, string File)[] Entries(string path)
    {
        using JsonDocument document = JsonReader.Parse(InputFile.Bytes(path, "index of tensors"), path);
        if (document.RootElement.ValueKind != JsonValueKind.Object
            || !document.RootElement.TryGetProperty(Map, out JsonElement map) || map.ValueKind != JsonValueKind.Object)
            throw new InvalidDataException($"{path} is no index of tensors: it has no \"{Map}\".");
        (string, string)[] entries = [.. map.EnumerateObject().Select(entry => (entry.Name, FileOf(entry, path)))];
        return entries.Length > 0 ? entries : throw new InvalidDataException($"{path}, {Map}: there are no tensors.");
    }

    // A name alone, so that the files are in the folder of the index.
    private static string FileOf(JsonProperty entry, string path)
        => entry.Value.ValueKind == JsonValueKind.String && entry.Value.GetString() is { Length: > 0 } name
            && name == Path.GetFileName(name) && name is not ("." or "..")
            ? name
            : throw new InvalidDataException($"{path}, {Map}: \"{Excerpt.Of(entry.Name)}\" is "
                + $"{Excerpt.Of(entry.Value.GetRawText())}; it must be the name of a file in the folder of the index.");
}
