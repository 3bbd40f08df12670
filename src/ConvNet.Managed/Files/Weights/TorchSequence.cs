using System.Buffers.Binary;
using static System.FormattableString;

namespace ConvNet.Serialization;

/// <summary>A file as <c>torch.save</c> wrote it before PyTorch 1.6, and many published weights are: a magic number,
/// the version of the form, facts about the machine, the object, and the keys of the storages, each as a pickle; then
/// the storages in this order, each behind the number of its values.</summary>
internal sealed class TorchSequence : TorchFile
{
    /// <summary>The number of first bytes by which a file is recognised.</summary>
    public const int StartBytes = 32;

    private const long Version = 1001;

    // The magic number as a pickle has it: behind its opcode and the number of its bytes.
    private static readonly byte[] s_magic = [0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

    private readonly Dictionary<string, (long At, long Bytes)> _positions = new(StringComparer.Ordinal);
    private readonly object? _root;

    /// <summary>Opens a file.</summary>
    /// <param name="file">The file at its beginning; this object disposes it.</param>
    /// <param name="path">The path of the file, for error messages.</param>
    /// <exception cref="InvalidDataException">The file is damaged or has other content.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public TorchSequence(Stream file, string path) : base(file, path)
    {
        try
        {
            Next(out _);
            if (Next(out _) is not Version)
                throw new InvalidDataException($"{path} is of a form of torch.save that is not known. Save it again "
                    + "with a newer version of PyTorch.");
            if (Next(out _) is PickledDictionary facts && facts.Entries.Contains(("little_endian", false)))
                throw new InvalidDataException($"{path} has values in big-endian order, which is not supported. Save "
                    + "it on another machine.");
            _root = Next(out Dictionary<string, PickledStorage> storages);
            Find(Next(out _) as List<object?> ?? [], storages);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Whether a file is of this form, by its first bytes.</summary>
    public static bool IsOne(ReadOnlySpan<byte> start) => start is [0x80, ..] && start.IndexOf(s_magic) >= 0;

    /// <inheritdoc/>
    public override object? Read() => _root;

    /// <inheritdoc/>
    protected override long BytesOf(PickledStorage storage, string place)
        => _positions.TryGetValue(storage.Key, out (long, long Bytes) found) ? found.Bytes
            : throw new InvalidDataException($"{place}: the file has no storage {Excerpt.Of(storage.Key)}.");

    /// <inheritdoc/>
    protected override void Read(PickledStorage storage, string place, Action<Stream> read)
    {
        Content.Position = _positions[storage.Key].At;
        read(Content);
    }

    private object? Next(out Dictionary<string, PickledStorage> storages)
    {
        var reader = new PickleReader(Content, Path);
        object? read = reader.Read();
        storages = reader.Storages;
        return read;
    }

    private void Find(List<object?> keys, Dictionary<string, PickledStorage> storages)
    {
        Span<byte> count = stackalloc byte[sizeof(long)];
        foreach (object? key in keys)
        {
            if (key is not string name || !storages.TryGetValue(name, out PickledStorage? storage))
                throw new InvalidDataException($"{Path} has a storage that no tensor refers to.");
            int size = TypeOf(storage.Type)?.Bytes() ?? throw new InvalidDataException($"{Path} has values of "
                + $"{Excerpt.Of(storage.Type)}, whose size is not known.");
            long left = Content.Length - Content.Position - sizeof(long);
            if (left < 0 || storage.Count > left / size)
                throw new InvalidDataException(Invariant($"{Path} ends within the {storage.Count:N0} values of the ")
                    + $"storage {Excerpt.Of(name)}.");
            Content.ReadExactly(count);
            if (BinaryPrimitives.ReadInt64LittleEndian(count) != storage.Count
                || !_positions.TryAdd(name, (Content.Position, storage.Count * size)))
                throw new InvalidDataException($"{Path}: the storage {Excerpt.Of(name)} is damaged.");
            Content.Position += storage.Count * size;
        }
    }
}
