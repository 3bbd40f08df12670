using System.Globalization;
using System.IO.Compression;

namespace ConvNet.Serialization;

/// <summary>The tensors of a PyTorch checkpoint: a file of <c>torch.save</c> with a dictionary of tensors, such as
/// <c>torch.save(model.state_dict(), "resnet18.pt")</c>.</summary>
/// <remarks>
/// <para>The file is a zip archive with a pickle, a program that may call any function of Python. Nothing of it is run:
/// a file is read if its pickle has only tensors in dictionaries, and refused by the name of what else it has. Files
/// from before PyTorch 1.6 have another form and are refused.</para>
/// <para>Tensors of float, double, half and bfloat16 become float32. Tensors of whole numbers, such as
/// <c>num_batches_tracked</c>, are listed in <see cref="Skipped"/>. Of a checkpoint that has a dictionary
/// <c>state_dict</c>, <c>model_state_dict</c> or <c>model</c>, that one is read.</para>
/// <para>In addition to the values, reading allocates at most about a hundred times the pickle, which may have
/// 100 MB; all tensors together take at most sixteen times the bytes of the file.</para>
/// </remarks>
/// <param name="Tensors">The tensors, in the order of the dictionary.</param>
public sealed record TorchCheckpoint(IReadOnlyList<NamedTensor> Tensors)
{
    private static readonly string[] s_inner = ["state_dict", "model_state_dict", "model"];

    /// <summary>The names of tensors that are left out, because their values are whole numbers.</summary>
    public IReadOnlyList<string> Skipped { get; private init; } = [];

    /// <summary>Reads a file.</summary>
    /// <param name="path">The path of the file.</param>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, or has other content; the message says what and
    /// where.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read the file.</exception>
    public static TorchCheckpoint Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Read(InputFile.Open(path), path);
    }

    /// <summary>Reads an open file, and closes it.</summary>
    internal static TorchCheckpoint Read(Stream file, string path)
    {
        using var archive = new TorchArchive(file, path);
        var tensors = new List<NamedTensor>();
        var skipped = new List<string>();
        foreach ((string name, PickledTensor tensor) in TensorsOf(archive, path))
        {
            if (IsWhole(tensor.Storage.Type))
                skipped.Add(name);
            else
                tensors.Add(new NamedTensor(name, tensor.Sizes, archive.Values(name, tensor)));
        }
        return new TorchCheckpoint(tensors) { Skipped = skipped };
    }

    /// <summary>Returns the tensors of a file without reading their values.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or has other content.</exception>
    internal static IReadOnlyList<(string Name, PickledTensor Tensor)> Describe(string path)
    {
        using var archive = new TorchArchive(InputFile.Open(path), path);
        return [.. TensorsOf(archive, path)];
    }

    private static IEnumerable<(string Name, PickledTensor Tensor)> TensorsOf(TorchArchive archive, string path)
    {
        PickledDictionary dictionary = StateOf(new PickleReader(archive.Pickle(), path).Read(), path);
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach ((object? key, object? value) in dictionary.Entries)
        {
            if (key is not string name)
                throw new InvalidDataException($"{path}: a key of its dictionary is not text.");
            if (value is not PickledTensor tensor)
                throw new InvalidDataException($"{path}: \"{Excerpt.Of(name)}\" is {KindOf(value)}, not a tensor. "
                    + "Save a dictionary of tensors alone: torch.save(model.state_dict(), file).");
            if (!names.Add(name))
                throw new InvalidDataException($"{path}: \"{Excerpt.Of(name)}\" occurs twice.");
            yield return (name, tensor);
        }
    }

    /// <summary>Writes a file that <c>torch.load</c> reads, also with <c>weights_only=True</c>: an ordered dictionary
    /// of float tensors. It is replaced as a whole or not at all.</summary>
    /// <param name="path">The path of the file. An existing file is replaced.</param>
    /// <exception cref="ArgumentException">The path is empty, or the number of values of a tensor does not match its
    /// dimensions.</exception>
    /// <exception cref="IOException">The file cannot be written; an existing file is unchanged.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to write to the folder or file.</exception>
    public void Write(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte[] pickle = PickleWriter.Write(Tensors);
        AtomicFile.Write(path, "the checkpoint", stream =>
        {
            using var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
            Add(zip, "data.pkl", content => content.Write(pickle));
            Add(zip, "byteorder", content => content.Write("little"u8));
            for (int i = 0; i < Tensors.Count; i++)
            {
                float[] values = Tensors[i].Values;
                Add(zip, string.Create(CultureInfo.InvariantCulture, $"data/{i}"),
                    content => Floats.Write(content, values));
            }
            Add(zip, "version", content => content.Write("3\n"u8));
        });
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(TorchCheckpoint), (nameof(Tensors), Tensors),
        (nameof(Skipped), Skipped));

    private static PickledDictionary StateOf(object? root, string path)
    {
        if (root is not PickledDictionary dictionary)
            throw new InvalidDataException($"{path} has {KindOf(root)}, not a dictionary of tensors. Save "
                + "model.state_dict().");
        PickledDictionary? inner = s_inner.Select(name => dictionary.Entries
            .FirstOrDefault(entry => entry.Key as string == name).Value as PickledDictionary)
            .FirstOrDefault(found => found is not null);
        if (inner is not null)
            return inner;
        if (dictionary.Entries.Any(entry => entry.Value is PickledTensor))
            return dictionary;
        string[] keys = [.. dictionary.Entries.Take(10).Select(entry => $"\"{Excerpt.Of($"{entry.Key}")}\"")];
        throw new InvalidDataException($"{path} has no tensors: its dictionary "
            + $"{(keys.Length == 0 ? "is empty" : $"has {string.Join(", ", keys)}")}. "
            + $"Of a checkpoint with more than tensors, {string.Join(", ", s_inner)} is read.");
    }

    private static bool IsWhole(string storageType)
        => storageType is "LongStorage" or "IntStorage" or "ShortStorage" or "CharStorage" or "ByteStorage"
            or "BoolStorage";

    private static string KindOf(object? value) => value switch
    {
        null => "None",
        bool => "a truth value",
        long => "a whole number",
        double => "a number",
        string => "text",
        PickledDictionary => "a dictionary",
        PickledTensor => "a tensor",
        List<object?> => "a list",
        _ => "a tuple",
    };

    private static void Add(ZipArchive zip, string name, Action<Stream> write)
    {
        using Stream content = zip.CreateEntry($"archive/{name}", CompressionLevel.NoCompression).Open();
        write(content);
    }
}
