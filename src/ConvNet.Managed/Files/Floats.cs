using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ConvNet.Serialization;

/// <summary>
/// Reads and writes little-endian floats in pieces, because their total bytes may exceed the length of a span.
/// </summary>
internal static class Floats
{
    private const int UsualPiece = 1 << 20;

    /// <summary>Writes values.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="values">The values.</param>
    /// <param name="piece">The maximum number of values per write.</param>
    public static void Write(Stream stream, ReadOnlySpan<float> values, int piece = UsualPiece)
    {
        Span<int> swapped = BitConverter.IsLittleEndian ? [] : new int[Math.Min(piece, values.Length)];
        for (; !values.IsEmpty; values = values[Math.Min(piece, values.Length)..])
        {
            ReadOnlySpan<float> chunk = values[..Math.Min(piece, values.Length)];
            if (!BitConverter.IsLittleEndian)
            {
                BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<float, int>(chunk), swapped);
                chunk = MemoryMarshal.Cast<int, float>(swapped[..chunk.Length]);
            }
            stream.Write(MemoryMarshal.AsBytes(chunk));
        }
    }

    /// <summary>Reads values.</summary>
    /// <exception cref="EndOfStreamException">The stream has fewer values.</exception>
    /// <inheritdoc cref="Write"/>
    public static void Read(Stream stream, Span<float> values, int piece = UsualPiece)
    {
        for (; !values.IsEmpty; values = values[Math.Min(piece, values.Length)..])
        {
            Span<float> chunk = values[..Math.Min(piece, values.Length)];
            stream.ReadExactly(MemoryMarshal.AsBytes(chunk));
            if (!BitConverter.IsLittleEndian)
                BinaryPrimitives.ReverseEndianness(
                    MemoryMarshal.Cast<float, int>(chunk), MemoryMarshal.Cast<float, int>(chunk));
        }
    }

    /// <summary>Returns the index of the first NaN or infinite value; −1 if there is none.</summary>
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
