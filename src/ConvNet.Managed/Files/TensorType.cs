using System.Buffers.Binary;

namespace ConvNet.Serialization;

/// <summary>The type of the values of a tensor in a file. All become float32 when they are read.</summary>
internal enum TensorType
{
    /// <summary>IEEE 754 with 32 bits.</summary>
    F32,

    /// <summary>IEEE 754 with 64 bits.</summary>
    F64,

    /// <summary>IEEE 754 with 16 bits.</summary>
    F16,

    /// <summary>The upper half of a float32.</summary>
    BF16,
}

/// <summary>What the types of values have in common.</summary>
internal static class TensorTypes
{
    // Read at a time.
    private const int PieceBytes = 1 << 18;

    /// <summary>Returns the number of bytes of a value.</summary>
    public static int Bytes(this TensorType type) => type switch
    {
        TensorType.F32 => sizeof(float),
        TensorType.F64 => sizeof(double),
        _ => sizeof(ushort),
    };

    /// <summary>Reads little-endian values.</summary>
    /// <param name="type">Their type in the stream.</param>
    /// <param name="stream">The stream.</param>
    /// <param name="values">Receives the values, rounded to float32.</param>
    /// <exception cref="EndOfStreamException">The stream has fewer values.</exception>
    public static void Read(this TensorType type, Stream stream, Span<float> values)
    {
        if (type == TensorType.F32)
        {
            Floats.Read(stream, values);
            return;
        }
        int size = type.Bytes();
        var piece = new byte[Math.Min(PieceBytes, (long)values.Length * size)];
        while (!values.IsEmpty)
        {
            int count = Math.Min(values.Length, piece.Length / size);
            stream.ReadExactly(piece.AsSpan(0, count * size));
            for (int i = 0; i < count; i++)
                values[i] = ValueOf(type, piece.AsSpan(i * size));
            values = values[count..];
        }
    }

    private static float ValueOf(TensorType type, ReadOnlySpan<byte> bytes) => type switch
    {
        TensorType.F64 => (float)BinaryPrimitives.ReadDoubleLittleEndian(bytes),
        TensorType.F16 => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes),
        _ => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(bytes) << 16),
    };
}
