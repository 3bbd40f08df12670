using System.IO.MemoryMappedFiles;
using System.Text;
using ConvNet.Serialization;
using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>The samples of a data set in one file that is mapped into memory, for data that is slow to read and too
/// large to keep.</summary>
/// <remarks>
/// The file is written once. After that, the operating system reads what is needed, and keeps what there is memory for.
/// Inputs are bytes if all values are whole numbers from 0 to 255, otherwise floats. The file is of the byte order of
/// the machine.
/// </remarks>
public sealed unsafe class MappedDataset : IDataset, IDisposable
{
    private const string Signature = "convnet-samples 1", InBytes = "bytes", InFloats = "floats";
    private const int HeaderBlock = 64, LongestHeader = 1 << 20, Batch = 16;

    private readonly IDataset _source;
    private readonly SamplePacking _packing;
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _records;
    private bool _isDisposed;

    private MappedDataset(IDataset source, SamplePacking packing, string path, int header)
    {
        (_source, _packing) = (source, packing);
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        _view = _file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        byte* start = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _records = start + header;
    }

    /// <inheritdoc/>
    public int Count => _source.Count;

    /// <inheritdoc/>
    public IReadOnlyList<InputShape> InputShapes => _source.InputShapes;

    /// <inheritdoc/>
    public IReadOnlyList<TargetDescription> Targets => _source.Targets;

    /// <summary>Opens the file of a data set; if it does not exist, writes it first.</summary>
    /// <param name="path">The path of the file.</param>
    /// <param name="source">The data set. Its samples are read only if the file does not exist.</param>
    /// <param name="version">What distinguishes versions of the data, such as the time of its last change. A file of
    /// another version is refused.</param>
    /// <param name="cancellation">Cancels the writing; nothing is left behind.</param>
    /// <exception cref="ArgumentNullException"><paramref name="path"/>, <paramref name="source"/> or
    /// <paramref name="version"/> is null.</exception>
    /// <exception cref="ArgumentException">The path is empty, or the data set is empty or describes an input or a
    /// target wrongly.</exception>
    /// <exception cref="InvalidDataException">The file has other samples or another version, or is damaged.</exception>
    /// <exception cref="DatasetException">A sample cannot be read.</exception>
    /// <exception cref="IOException">The file cannot be read or written.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read or write the file.</exception>
    /// <exception cref="OperationCanceledException">The writing was cancelled.</exception>
    public static MappedDataset Open(string path, IDataset source, string version = "",
        CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(version);
        SampleTensors.Check(source);
        string description = Describe(source, version);
        if (!File.Exists(path) && !TryWrite(path, source, description, areBytes: true, cancellation))
            TryWrite(path, source, description, areBytes: false, cancellation);
        (string found, int header) = ReadHeader(path);
        bool areBytes = found == Header(description, areBytes: true);
        if (!areBytes && found != Header(description, areBytes: false))
            throw new InvalidDataException($"{path} has the samples of other data: {Excerpt.Of(found)}. The data set "
                + $"is: {Excerpt.Of(description)}. Delete the file, so that it is written anew, or name another one.");
        var packing = new SamplePacking(source, areBytes);
        long length = new FileInfo(path).Length, expected = header + (long)packing.Length * source.Count;
        return length == expected ? new MappedDataset(source, packing, path, header)
            : throw new InvalidDataException(Invariant($"{path} is damaged: it has {length:N0} bytes instead of ")
                + Invariant($"{expected:N0}. Delete it, so that it is written anew."));
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentOutOfRangeException">There is no sample of this index.</exception>
    /// <exception cref="ObjectDisposedException">The data set is disposed.</exception>
    public void Read(int index, Sample sample)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        _packing.Unpack(new ReadOnlySpan<byte>(_records + (long)index * _packing.Length, _packing.Length), sample);
    }

    /// <inheritdoc/>
    public int? ClassOf(int index) => _source.ClassOf(index);

    /// <inheritdoc/>
    public string? FileOf(int index) => _source.FileOf(index);

    /// <summary>Closes the file. No loader may be reading.</summary>
    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }

    // Writes all samples; false if an input is not bytes.
    private static bool TryWrite(string path, IDataset source, string description, bool areBytes,
        CancellationToken cancellation)
    {
        var packing = new SamplePacking(source, areBytes);
        byte[] header = Padded(Header(description, areBytes)), record = new byte[packing.Length];
        var loader = new DataLoader(source, Batch, new DataLoaderOptions { Workers = Environment.ProcessorCount });
        try
        {
            AtomicFile.Write(path, "the samples", stream =>
            {
                stream.Write(header);
                foreach (Batch batch in loader.Epoch(1, cancellation))
                {
                    using (batch)
                    {
                        for (int i = 0; i < batch.Count; i++)
                        {
                            if (!packing.TryPack(new Sample(batch.Memory, i, batch.Memory, i), record))
                                throw new NoBytesException();
                            stream.Write(record);
                        }
                    }
                }
            }, header.Length + (long)packing.Length * source.Count);
        }
        catch (NoBytesException)
        {
            return false;
        }
        return true;
    }

    private static string Describe(IDataset source, string version)
        => Invariant($"{source.Count} samples; version {version}; inputs {string.Join(", ", source.InputShapes)}; ")
            + Invariant($"targets {string.Join(", ", source.Targets)}");

    private static string Header(string description, bool areBytes)
        => $"{Signature}; {(areBytes ? InBytes : InFloats)}; {description}";

    private static byte[] Padded(string header)
    {
        byte[] text = Encoding.UTF8.GetBytes(header + '\n');
        Array.Resize(ref text, (text.Length + HeaderBlock - 1) / HeaderBlock * HeaderBlock);
        return text;
    }

    private static (string Text, int Length) ReadHeader(string path)
    {
        using FileStream file = InputFile.Open(path);
        var start = new byte[Math.Min(file.Length, LongestHeader)];
        file.ReadExactly(start);
        int end = Array.IndexOf(start, (byte)'\n');
        string text = end < 0 ? "" : Encoding.UTF8.GetString(start, 0, end);
        return text.StartsWith(Signature, StringComparison.Ordinal) ? (text, Padded(text).Length)
            : throw new InvalidDataException($"{path} is not a file of samples. Name another file.");
    }

    /// <summary>An input is not bytes.</summary>
    private sealed class NoBytesException : Exception;
}
