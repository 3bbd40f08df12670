using System.IO.Compression;
using static System.FormattableString;

namespace ConvNet.Serialization;

/// <summary>A file as <c>torch.save</c> has written it since PyTorch 1.6: a zip archive that is not
/// compressed.</summary>
internal sealed class TorchArchive : TorchFile
{
    private const int MaxEntries = 1_000_000;

    private readonly ZipArchive _zip;
    private readonly string _folder;

    /// <summary>Opens an archive.</summary>
    /// <param name="file">The file at its beginning; this object disposes it.</param>
    /// <param name="path">The path of the file, for error messages.</param>
    /// <exception cref="InvalidDataException">The file is damaged or has other content.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public TorchArchive(Stream file, string path) : base(file, path)
    {
        try
        {
            _zip = Unzipped(Content, path);
            string[] pickles = [.. _zip.Entries.Take(MaxEntries).Select(entry => entry.FullName)
                .Where(name => name.EndsWith("/data.pkl", StringComparison.Ordinal)).Take(2)];
            if (pickles.Length != 1)
                throw new InvalidDataException($"{path} has {pickles.Length} entries data.pkl; a file of torch.save "
                    + "has one.");
            _folder = pickles[0][..^"data.pkl".Length];
            if (_zip.GetEntry($"{_folder}byteorder") is { } order && BytesOf(order, 16).AsSpan().SequenceEqual("big"u8))
                throw new InvalidDataException($"{path} has values in big-endian order, which is not supported. Save "
                    + "it on another machine.");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override object? Read()
    {
        byte[] pickle = BytesOf(_zip.GetEntry($"{_folder}data.pkl")!, PickleReader.MostBytes);
        return new PickleReader(new MemoryStream(pickle), Path).Read();
    }

    /// <inheritdoc/>
    protected override long BytesOf(PickledStorage storage, string place)
    {
        ZipArchiveEntry entry = EntryOf(storage) ?? throw new InvalidDataException(
            $"{place}: the file has no entry data/{Excerpt.Of(storage.Key)}.");
        CheckStored(entry);
        return entry.Length;
    }

    /// <inheritdoc/>
    protected override void Read(PickledStorage storage, string place, Action<Stream> read)
        => ReadExactly(EntryOf(storage)!, read, place);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _zip?.Dispose();
        base.Dispose();
    }

    private ZipArchiveEntry? EntryOf(PickledStorage storage) => _zip.GetEntry($"{_folder}data/{storage.Key}");

    private static ZipArchive Unzipped(Stream file, string path)
    {
        try
        {
            return new ZipArchive(file, ZipArchiveMode.Read);
        }
        catch (InvalidDataException error)
        {
            throw new InvalidDataException($"{path} is not a zip archive, as torch.save has written since PyTorch 1.6; "
                + "or it is damaged.", error);
        }
    }

    private byte[] BytesOf(ZipArchiveEntry entry, int most)
    {
        CheckStored(entry);
        if (entry.Length > most)
            throw new InvalidDataException(Invariant($"{Path}: {Excerpt.Of(entry.FullName)} has {entry.Length:N0} ")
                + Invariant($"bytes; the limit is {most:N0}."));
        var content = new byte[entry.Length];
        ReadExactly(entry, stream => stream.ReadExactly(content));
        return content;
    }

    // Without compression, no entry is larger than the file.
    private void CheckStored(ZipArchiveEntry entry)
    {
        if (entry.CompressedLength != entry.Length || entry.Length > Content.Length)
            throw new InvalidDataException($"{Path}: {Excerpt.Of(entry.FullName)} is compressed, which torch.save "
                + "does not do.");
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
            throw new InvalidDataException($"{place ?? Path}: the entry {Excerpt.Of(entry.FullName)} is damaged.",
                error);
        }
    }
}
