using System.IO.Compression;
using static System.FormattableString;

namespace ConvNet.Serialization;

/// <summary>The entries of a file of <c>torch.save</c>: a zip archive that is not compressed.</summary>
internal sealed class TorchArchive : IDisposable
{
    private const int MaxPickleBytes = 100_000_000, MaxEntries = 1_000_000;

    // How many times its own bytes a file may make the reader read and return.
    private const int MostRead = 16;

    private readonly Stream _file;
    private readonly ZipArchive _zip;
    private readonly string _path, _folder;

    // Tensors may share values. A small file could ask for any amount of memory and time by very many of them.
    private long _left;
    private (string Key, float[] Values)? _last;

    /// <summary>Opens an archive.</summary>
    /// <param name="file">The file at its beginning; this object disposes it.</param>
    /// <param name="path">The path of the file, for error messages.</param>
    /// <exception cref="InvalidDataException">The file is damaged or has other content.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public TorchArchive(Stream file, string path)
    {
        (_file, _path) = (file, path);
        _left = MostRead * file.Length;
        try
        {
            _zip = Open(_file, path);
            string[] pickles = [.. _zip.Entries.Take(MaxEntries).Select(entry => entry.FullName)
                .Where(name => name.EndsWith("/data.pkl", StringComparison.Ordinal)).Take(2)];
            if (pickles.Length != 1)
                throw new InvalidDataException($"{path} has {pickles.Length} entries data.pkl; a file of torch.save "
                    + "has one.");
            _folder = pickles[0][..^"data.pkl".Length];
            if (_zip.GetEntry($"{_folder}byteorder") is { } order && Content(order, 16).AsSpan().SequenceEqual("big"u8))
                throw new InvalidDataException($"{path} has values in big-endian order, which is not supported. Save "
                    + "it on another machine.");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Reads the pickle.</summary>
    public byte[] Pickle() => Content(_zip.GetEntry($"{_folder}data.pkl")!, MaxPickleBytes);

    /// <summary>Reads the values of a tensor in their order, as float32.</summary>
    /// <param name="name">The name of the tensor, for error messages.</param>
    /// <param name="tensor">The tensor.</param>
    /// <exception cref="InvalidDataException">The values are not in the file, or of a type that is not one of floating
    /// point.</exception>
    public float[] Values(string name, PickledTensor tensor)
    {
        string place = $"{_path}, tensor \"{Excerpt.Of(name)}\"";
        PickledStorage storage = tensor.Storage;
        TensorType type = TypeOf(storage.Type) ?? throw new InvalidDataException(
            $"{place} has values of {Excerpt.Of(storage.Type)}; only float, double, half and bfloat16 are read.");
        ZipArchiveEntry entry = _zip.GetEntry($"{_folder}data/{storage.Key}")
            ?? throw new InvalidDataException($"{place}: the file has no entry data/{Excerpt.Of(storage.Key)}.");
        if (storage.Count > Array.MaxLength || entry.Length != storage.Count * type.Bytes())
            throw new InvalidDataException(Invariant($"{place}: data/{Excerpt.Of(storage.Key)} has {entry.Length:N0} ")
                + Invariant($"bytes, but should have {storage.Count:N0} values of {type.Bytes()}."));
        CheckStored(entry);
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
        _left -= count * sizeof(float) + (isKept ? 0 : entry.Length);
        if (_left < 0)
            throw new InvalidDataException($"{place}: the tensors share values so often that they take more than "
                + $"{MostRead} times the bytes of the file.");
        if (!isKept)
            _last = (storage.Key, Read(entry, type, storage.Count, place));
        return Gather(_last!.Value.Values, tensor, count);
    }

    private static TensorType? TypeOf(string storageType) => storageType switch
    {
        "FloatStorage" => TensorType.F32,
        "DoubleStorage" => TensorType.F64,
        "HalfStorage" => TensorType.F16,
        "BFloat16Storage" => TensorType.BF16,
        _ => null,
    };

    /// <inheritdoc/>
    public void Dispose()
    {
        _zip?.Dispose();
        _file.Dispose();
    }

    private static ZipArchive Open(Stream file, string path)
    {
        try
        {
            return new ZipArchive(file, ZipArchiveMode.Read);
        }
        catch (InvalidDataException error)
        {
            throw new InvalidDataException($"{path} is not a zip archive, as torch.save has written since PyTorch 1.6; "
                + "or it is damaged. Save an older file again with such a version.", error);
        }
    }

    private byte[] Content(ZipArchiveEntry entry, int most)
    {
        CheckStored(entry);
        if (entry.Length > most)
            throw new InvalidDataException(Invariant($"{_path}: {Excerpt.Of(entry.FullName)} has {entry.Length:N0} ")
                + Invariant($"bytes; the limit is {most:N0}."));
        var content = new byte[entry.Length];
        ReadExactly(entry, stream => stream.ReadExactly(content));
        return content;
    }

    // Without compression, no entry is larger than the file.
    private void CheckStored(ZipArchiveEntry entry)
    {
        if (entry.CompressedLength != entry.Length || entry.Length > _file.Length)
            throw new InvalidDataException($"{_path}: {Excerpt.Of(entry.FullName)} is compressed, which torch.save "
                + "does not do.");
    }

    private float[] Read(ZipArchiveEntry entry, TensorType type, long count, string place)
    {
        var values = new float[count];
        ReadExactly(entry, stream => type.Read(stream, values), place);
        return values;
    }

    private void ReadExactly(ZipArchiveEntry entry, Action<Stream> read, string? place = null)
    {
        try
        {
            using Stream stream = entry.Open();
            read(stream);
        }
        catch (Exception error) when (error is EndOfStreamException or InvalidDataException)
        {
            throw new InvalidDataException($"{place ?? _path}: the entry {Excerpt.Of(entry.FullName)} is damaged.",
                error);
        }
    }

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
