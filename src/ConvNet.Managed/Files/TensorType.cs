using System.Buffers.Binary;

namespace ConvNet.Serialization;

/// <summary>The type of the values of a tensor in a file. Real ones become float32 when they are read; whole ones are
/// not read.</summary>
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

    /// <summary>Whole numbers with 64 bits.</summary>
    I64,

    /// <summary>Whole numbers with 32 bits.</summary>
    I32,

    /// <summary>Whole numbers with 16 bits.</summary>
    I16,

    /// <summary>Whole numbers with 8 bits.</summary>
    I8,

    /// <summary>Whole numbers from 0 with 64 bits.</summary>
    U64,

    /// <summary>Whole numbers from 0 with 32 bits.</summary>
    U32,

    /// <summary>Whole numbers from 0 with 16 bits.</summary>
    U16,

    /// <summary>Whole numbers from 0 with 8 bits.</summary>
    U8,

    /// <summary>Truth values with 8 bits.</summary>
    BOOL,
}

/// <summary>What the types of values have in common.</summary>
internal static class TensorTypes
{
    // Read at a time.
    private const int PieceBytes = 1 << 18;

    /// <summary>Returns the number of bytes of a value.</summary>
    public static int Bytes(this TensorType type) => type switch
    {
        TensorType.F64 or TensorType.I64 or TensorType.U64 => sizeof(double),
        TensorType.F32 or TensorType.I32 or TensorType.U32 => sizeof(float),
        TensorType.I8 or TensorType.U8 or TensorType.BOOL => sizeof(byte),
        _ => sizeof(ushort),
    };

    /// <summary>Whether the values are real numbers.</summary>
    public static bool IsReal(this TensorType type) => type <= TensorType.BF16;

    /// <summary>Reads little-endian values.</summary>
    /// <param name="type">Their type in the stream, a real one.</param>
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
