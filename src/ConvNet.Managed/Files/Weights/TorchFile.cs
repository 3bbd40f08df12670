using static System.FormattableString;

namespace ConvNet.Serialization;

/// <summary>A file of <c>torch.save</c>: a pickle, and the storages that its tensors refer to.</summary>
internal abstract class TorchFile : IDisposable
{
    // How many times its own bytes a file may make the reader read and return.
    private const int MostRead = 16;

    // Tensors may share values. A small file could ask for any amount of memory and time by very many of them.
    private long _left;
    private (string Key, float[] Values)? _last;

    /// <summary>Takes a file over.</summary>
    /// <param name="file">The file at its beginning; this object disposes it.</param>
    /// <param name="path">The path of the file, for error messages.</param>
    protected TorchFile(Stream file, string path)
        => (Content, Path, _left) = (file, path, MostRead * file.Length);

    /// <summary>The file.</summary>
    protected Stream Content { get; }

    /// <summary>The path of the file, for error messages.</summary>
    protected string Path { get; }

    /// <summary>Opens a file of either form.</summary>
    /// <param name="file">The file at its beginning; the returned object disposes it.</param>
    /// <param name="path">The path of the file, for error messages.</param>
    /// <exception cref="InvalidDataException">The file is damaged or has other content.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static TorchFile Open(Stream file, string path)
    {
        var start = new byte[TorchSequence.StartBytes];
        int count = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        file.Position = 0;
        return TorchSequence.IsOne(start.AsSpan(0, count)) ? new TorchSequence(file, path)
            : new TorchArchive(file, path);
    }

    /// <summary>The object that was saved.</summary>
    /// <exception cref="InvalidDataException">The pickle is damaged.</exception>
    public abstract object? Read();

    /// <summary>Reads the values of a tensor in their order, as float32.</summary>
    /// <param name="name">The name of the tensor, for error messages.</param>
    /// <param name="tensor">The tensor.</param>
    /// <exception cref="InvalidDataException">The values are not in the file, or of a type that is not one of floating
    /// point.</exception>
    public float[] Values(string name, PickledTensor tensor)
    {
        string place = $"{Path}, tensor \"{Excerpt.Of(name)}\"";
        PickledStorage storage = tensor.Storage;
        if (TypeOf(storage.Type) is not { } type || !type.IsReal())
            throw new InvalidDataException($"{place} has values of {Excerpt.Of(storage.Type)}; only float, double, "
                + "half and bfloat16 are read.");
        long bytes = BytesOf(storage, place);
        if (storage.Count > Array.MaxLength || bytes != storage.Count * type.Bytes())
            throw new InvalidDataException(Invariant($"{place}: data/{Excerpt.Of(storage.Key)} has {bytes:N0} ")
                + Invariant($"bytes, but should have {storage.Count:N0} values of {type.Bytes()}."));
        long count = 1, last = Math.Min(tensor.Offset, long.MaxValue / 2);
        for (int i = 0; i < tensor.Sizes.Length; i++)
        {
            count = Math.Min(count * tensor.Sizes[i], long.MaxValue / (int.MaxValue + 1L));
            last = Math.Min(last + Math.Max(0, tensor.Sizes[i] - 1L) * Math.Min(tensor.Strides[i], int.MaxValue),
                long.MaxValue / 2);
        }
        // A tensor may show a value several times, but then a small file would ask for any amount of memory.
        if (count > storage.Count || count > 0 && last >= storage.Count)
            throw new InvalidDataException(Invariant($"{place} of {Excerpt.OfSizes(tensor.Sizes)} values from ")
                + Invariant($"{tensor.Offset:N0} on does not lie in its {storage.Count:N0} stored values."));
        if (count == 0)
            return [];
        bool isKept = _last?.Key == storage.Key;
        _left -= count * sizeof(float) + (isKept ? 0 : bytes);
        if (_left < 0)
            throw new InvalidDataException($"{place}: the tensors share values so often that they take more than "
                + $"{MostRead} times the bytes of the file.");
        if (!isKept)
        {
            var values = new float[storage.Count];
            Read(storage, place, stream => type.Read(stream, values));
            _last = (storage.Key, values);
        }
        return Gather(_last!.Value.Values, tensor, count);
    }

    /// <summary>The type of the values of a storage; null if it is none that safetensors have.</summary>
    protected static TensorType? TypeOf(string storageType) => storageType switch
    {
        "FloatStorage" => TensorType.F32,
        "DoubleStorage" => TensorType.F64,
        "HalfStorage" => TensorType.F16,
        "BFloat16Storage" => TensorType.BF16,
        "LongStorage" => TensorType.I64,
        "IntStorage" => TensorType.I32,
        "ShortStorage" => TensorType.I16,
        "CharStorage" => TensorType.I8,
        "ByteStorage" => TensorType.U8,
        "BoolStorage" => TensorType.BOOL,
        _ => null,
    };

    /// <summary>Whether the values of a storage are whole numbers or truth values.</summary>
    public static bool IsWhole(PickledStorage storage) => TypeOf(storage.Type) is { } type && !type.IsReal();

    /// <summary>The bytes of a storage in the file.</summary>
    /// <param name="storage">The storage.</param>
    /// <param name="place">Where it is needed, for error messages.</param>
    /// <exception cref="InvalidDataException">The storage is not in the file.</exception>
    protected abstract long BytesOf(PickledStorage storage, string place);

    /// <summary>Reads the bytes of a storage.</summary>
    /// <param name="storage">The storage, which is in the file.</param>
    /// <param name="place">Where it is needed, for error messages.</param>
    /// <param name="read">Reads the bytes.</param>
    /// <exception cref="InvalidDataException">The bytes are damaged.</exception>
    protected abstract void Read(PickledStorage storage, string place, Action<Stream> read);

    /// <inheritdoc/>
    public virtual void Dispose() => Content.Dispose();

    private static float[] Gather(float[] stored, PickledTensor tensor, long count)
    {
        var values = new float[count];
        var index = new int[tensor.Sizes.Length];
        long at = tensor.Offset;
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = stored[at];
            for (int d = index.Length - 1; d >= 0; d--)
            {
                at += tensor.Strides[d];
                if (++index[d] < tensor.Sizes[d])
                    break;
                at -= tensor.Strides[d] * tensor.Sizes[d];
                index[d] = 0;
            }
        }
        return values;
    }
}
