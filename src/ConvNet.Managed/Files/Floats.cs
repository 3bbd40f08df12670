using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ConvNet.Serialization;

/// <summary>
/// Floats in a stream, little-endian, moved in pieces: the bytes of all of them may be more than one span can hold.
/// </summary>
internal static class Floats
{
    private const int UsualPiece = 1 << 20;

    /// <summary>Writes values.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="values">The values.</param>
    /// <param name="piece">The most values that are written at once.</param>
    public static void Write(Stream stream, ReadOnlySpan<float> values, int piece = UsualPiece)
    {
        Span<int> swapped = BitConverter.IsLittleEndian ? [] : new int[Math.Min(piece, values.Length)];
        for (; !values.IsEmpty; values = values[Math.Min(piece, values.Length)..])
        {
            ReadOnlySpan<float> part = values[..Math.Min(piece, values.Length)];
            if (!BitConverter.IsLittleEndian)
            {
                BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<float, int>(part), swapped);
                part = MemoryMarshal.Cast<int, float>(swapped[..part.Length]);
            }
            stream.Write(MemoryMarshal.AsBytes(part));
        }
    }

    /// <summary>Reads values.</summary>
    /// <exception cref="EndOfStreamException">There are fewer.</exception>
    /// <inheritdoc cref="Write"/>
    public static void Read(Stream stream, Span<float> values, int piece = UsualPiece)
    {
        for (; !values.IsEmpty; values = values[Math.Min(piece, values.Length)..])
        {
            Span<float> part = values[..Math.Min(piece, values.Length)];
            stream.ReadExactly(MemoryMarshal.AsBytes(part));
            if (!BitConverter.IsLittleEndian)
                BinaryPrimitives.ReverseEndianness(
                    MemoryMarshal.Cast<float, int>(part), MemoryMarshal.Cast<float, int>(part));
        }
    }

    /// <summary>The place of the first value that is NaN or infinite; −1 where there is none.</summary>
    public static int IndexOfNonFinite(ReadOnlySpan<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            if (!float.IsFinite(values[i]))
                return i;
        }
        return -1;
    }
}
