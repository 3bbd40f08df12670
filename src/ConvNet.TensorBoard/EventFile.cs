using System.Buffers.Binary;
using System.Numerics;
using ConvNet.TensorBoard.Schema;
using Google.Protobuf;

namespace ConvNet.TensorBoard;

/// <summary>A file of TensorBoard events. Each is framed as a TFRecord: its length in 8 bytes, a checksum of them, the
/// event, a checksum of it.</summary>
internal sealed class EventFile : IDisposable
{
    // The version that TensorBoard knows as the one with session logs.
    private const string Version = "brain.Event:2";

    private const int LengthBytes = 8, ChecksumBytes = 4;

    private readonly FileStream _file;

    /// <summary>Creates a file.</summary>
    /// <param name="path">Its path.</param>
    /// <exception cref="IOException">It exists, or cannot be written.</exception>
    public EventFile(string path)
    {
        // Without a buffer, so that a kill loses at most the end of one event.
        _file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
        Write(new Event { FileVersion = Version });
    }

    /// <summary>Writes an event, with the time of now.</summary>
    public void Write(Event what)
    {
        what.WallTime = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0;
        int length = what.CalculateSize();
        var record = new byte[LengthBytes + ChecksumBytes + length + ChecksumBytes];
        Span<byte> head = record.AsSpan(0, LengthBytes), body = record.AsSpan(LengthBytes + ChecksumBytes, length);
        BinaryPrimitives.WriteInt64LittleEndian(head, length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(LengthBytes), MaskedChecksum(head));
        what.WriteTo(body);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(LengthBytes + ChecksumBytes + length),
            MaskedChecksum(body));
        _file.Write(record);
    }

    /// <summary>Returns the masked CRC-32C of TFRecords: rotated by 15 bits, plus a constant, so that the checksum of
    /// data that contains checksums differs from theirs.</summary>
    internal static uint MaskedChecksum(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in data)
            crc = BitOperations.Crc32C(crc, value);
        return BitOperations.RotateRight(~crc, 15) + 0xa282ead8;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
