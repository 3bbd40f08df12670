using System.IO.Compression;

namespace ConvNet.Data;

/// <summary>The decompressed contents of all members of a gzip file in sequence, as zcat prints them.</summary>
/// <remarks>
/// Zeros after the last member are padding. Any other data there is an error, and so is a file that ends within a
/// member. GZipStream checks the CRC and the length of every member, but it ends silently at the end of a truncated
/// file and at data that is not a member. Therefore a member with known content, the mark, is appended to the file. If
/// its content comes out last, everything before it was complete. Zeros at the end of the file are passed separately
/// from the data before them; if GZipStream stops there, they were padding.
/// </remarks>
internal sealed class GzipMembers : ForwardStream
{
    private const int BufferBytes = 1 << 16;

    // Bytes that no file ends with by chance, and the gzip member that contains them.
    private static readonly byte[] Mark =
        [0x9E, 0x37, 0x79, 0xB9, 0x7F, 0x4A, 0x7C, 0x15, 0xF3, 0x9C, 0xC0, 0x60, 0x5C, 0xED, 0xC8, 0x34];
    private static readonly byte[] MarkMember = Zip(Mark);

    private readonly Sections _sections;
    private readonly GZipStream _unzipped;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _start, _end;
    private bool _ended;

    /// <summary>Starts to read a file. The file is not closed.</summary>
    /// <param name="file">The file, which is read from its beginning.</param>
    public GzipMembers(Stream file)
    {
        _sections = new Sections(file);
        _unzipped = new GZipStream(_sections, CompressionMode.Decompress);
    }

    /// <summary>Reads the next decompressed bytes.</summary>
    /// <exception cref="InvalidDataException">
    /// The file is damaged, ends within a member, or has data after the last member.
    /// </exception>
    public override int Read(Span<byte> buffer)
    {
        // Holds back the last bytes, because they may be the mark.
        while (!_ended && _end - _start <= Mark.Length)
            Fill();
        int count = Math.Min(buffer.Length, _ended ? _end - _start : _end - _start - Mark.Length);
        _buffer.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _unzipped.Dispose();
        base.Dispose(disposing);
    }

    private void Fill()
    {
        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        (_start, _end) = (0, _end - _start);
        int read = _unzipped.Read(_buffer.AsSpan(_end));
        _end += read;
        if (read > 0)
            return;
        _ended = true;
        switch (_sections.Last)
        {
            case Section.Members:
                throw new InvalidDataException(
                    "the compressed data is followed by something that is neither a gzip member nor zero padding");
            case Section.Mark:
                if (!_buffer.AsSpan(_start, _end - _start).EndsWith(Mark))
                    throw new InvalidDataException("the file ends before the end of its compressed data");
                _end -= Mark.Length;
                break;
        }
    }

    private static byte[] Zip(byte[] content)
    {
        using var zipped = new MemoryStream();
        using (var stream = new GZipStream(zipped, CompressionLevel.Optimal, leaveOpen: true))
            stream.Write(content);
        return zipped.ToArray();
    }

    private enum Section { Members, Zeros, Mark }

    /// <summary>
    /// The file without its trailing zeros, then the zeros, then the mark. No read crosses the end of a section.
    /// </summary>
    private sealed class Sections : ForwardStream
    {
        private readonly Stream _file;
        private readonly long _zeros;
        private int _marked;

        public Sections(Stream file)
        {
            _file = file;
            _zeros = StartOfZeros(file);
            file.Position = 0;
        }

        /// <summary>The section that was read last.</summary>
        public Section Last { get; private set; }

        public override int Read(Span<byte> buffer)
        {
            long left = _file.Position < _zeros ? _zeros - _file.Position : long.MaxValue;
            Section section = left < long.MaxValue ? Section.Members : Section.Zeros;
            int read = _file.Read(buffer[..(int)Math.Min(buffer.Length, left)]);
            if (read == 0)
            {
                section = Section.Mark;
                read = Math.Min(buffer.Length, MarkMember.Length - _marked);
                MarkMember.AsSpan(_marked, read).CopyTo(buffer);
                _marked += read;
            }
            Last = section;
            return read;
        }

        private static long StartOfZeros(Stream file)
        {
            var buffer = new byte[BufferBytes];
            long end = file.Length;
            while (end > 0)
            {
                int count = (int)Math.Min(end, buffer.Length);
                file.Position = end - count;
                file.ReadExactly(buffer, 0, count);
                int last = buffer.AsSpan(0, count).LastIndexOfAnyExcept((byte)0);
                if (last >= 0)
                    return end - count + last + 1;
                end -= count;
            }
            return 0;
        }
    }
}

/// <summary>A forward-only stream.</summary>
internal abstract class ForwardStream : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public abstract override int Read(Span<byte> buffer);

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
