using System.Globalization;
using System.IO.Compression;
using System.Numerics;

namespace ConvNet.Serialization;

/// <summary>The tensors of a PyTorch checkpoint: a file of <c>torch.save</c> with a dictionary of tensors, such as
/// <c>torch.save(model.state_dict(), "resnet18.pt")</c>.</summary>
/// <remarks>
/// <para>The file is a zip archive, or what was written before PyTorch 1.6. It has a pickle, a program that may call
/// any function of Python. Nothing of it is run: objects that are not tensors, numbers, texts, lists or dictionaries
/// are known by the name of their type only. They are ignored beside the tensors that are read, and refused among
/// them.</para>
/// <para>Tensors of float, double, half and bfloat16 become float32. Tensors of whole numbers, such as
/// <c>num_batches_tracked</c>, are listed in <see cref="Skipped"/>. Of a checkpoint that has a dictionary
/// <c>state_dict</c>, <c>model_state_dict</c> or <c>model</c>, that one is read; otherwise the only dictionary of
/// tensors that it has.</para>
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
        using var archive = TorchFile.Open(file, path);
        var tensors = new List<NamedTensor>();
        var skipped = new List<string>();
        foreach ((string name, PickledTensor tensor) in TensorsOf(archive, path))
        {
            if (TorchFile.IsWhole(tensor.Storage))
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
        using var archive = TorchFile.Open(InputFile.Open(path), path);
        return [.. TensorsOf(archive, path)];
    }

    private static IEnumerable<(string Name, PickledTensor Tensor)> TensorsOf(TorchFile file, string path)
    {
        PickledDictionary dictionary = StateOf(file.Read(), path);
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
        if (root is PickledObject whole)
            throw Refusal(whole, path);
        if (root is not PickledDictionary dictionary)
            throw new InvalidDataException($"{path} has {KindOf(root)}, not a dictionary of tensors. Save "
                + "model.state_dict().");
        (string Key, PickledDictionary Value)[] inner = [.. from entry in dictionary.Entries
                                                            let value = entry.Value as PickledDictionary
                                                            where entry.Key is string && value is not null
                                                            select ((string)entry.Key, value)];
        PickledDictionary[] named = [.. s_inner.SelectMany(name => inner.Where(entry => entry.Key == name))
            .Select(entry => entry.Value)];
        if (named.Length > 0)
            return named[0];
        if (HasTensors(dictionary))
            return dictionary;
        PickledDictionary[] ofTensors = [.. inner.Select(entry => entry.Value).Where(HasTensors)];
        if (ofTensors.Length == 1)
            return ofTensors[0];
        if (dictionary.Entries.FirstOrDefault(entry => entry.Value is PickledObject && s_inner.Contains(entry.Key))
            .Value is PickledObject module)
            throw Refusal(module, path);
        string[] keys = [.. dictionary.Entries.Take(10).Select(entry => $"\"{Excerpt.Of($"{entry.Key}")}\"")];
        throw new InvalidDataException($"{path} has {(ofTensors.Length == 0 ? "no" : "several dictionaries of")} "
            + $"tensors: its dictionary {(keys.Length == 0 ? "is empty" : $"has {string.Join(", ", keys)}")}. "
            + $"Of a checkpoint with more than tensors, {string.Join(", ", s_inner)} or the only dictionary of tensors "
            + "is read.");
    }

    private static InvalidDataException Refusal(PickledObject module, string path)
        => new($"{path} has an object of {Excerpt.Of(module.Type)}, which is not made, because no code of a file is "
            + $"run. In PyTorch, load it with {(module.Type.StartsWith("__torch__", StringComparison.Ordinal)
                ? "torch.jit.load" : "torch.load")} and save its state_dict().");

    private static bool HasTensors(PickledDictionary dictionary)
        => dictionary.Entries.Any(entry => entry.Value is PickledTensor);

    private static string KindOf(object? value) => value switch
    {
        null => "None",
        bool => "a truth value",
        long or BigInteger => "a whole number",
        double => "a number",
        string => "text",
        PickledDictionary => "a dictionary",
        PickledTensor => "a tensor",
        List<object?> => "a list",
        PickledObject { Type: var type } => $"an object of {Excerpt.Of(type)}",
        PickledName { Name: var name } => $"the name {Excerpt.Of(name)}",
        _ => "a tuple",
    };

    private static void Add(ZipArchive zip, string name, Action<Stream> write)
    {
        using Stream content = zip.CreateEntry($"archive/{name}", CompressionLevel.NoCompression).Open();
        write(content);
    }
}
