using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Onnx;
using Type = Onnx.TensorProto.Types.DataType;

namespace ConvNet.Onnx;

/// <summary>Reads the constants of an ONNX file.</summary>
/// <remarks>The sizes are compared with the bytes that are there before memory is allocated for the values.</remarks>
/// <param name="external">Reads the data outside the file.</param>
internal sealed class TensorReader(ExternalData external)
{
    /// <summary>Reads a constant.</summary>
    /// <param name="tensor">The tensor of the file.</param>
    /// <param name="place">Where it is, for errors.</param>
    /// <exception cref="InvalidDataException">The sizes and the data do not match, or the data outside the file cannot
    /// be read.</exception>
    /// <exception cref="UnsupportedNodeException">The type of the elements is not supported.</exception>
    public OnnxTensor Read(TensorProto tensor, string place)
    {
        var type = (Type)tensor.DataType;
        int bytes = BytesOf(type) ?? throw new UnsupportedNodeException(
            $"the constant {place} has elements of type {NameOf(tensor.DataType)}");
        long[] sizes = [.. tensor.Dims];
        long length = LengthOf(sizes, place);
        if (tensor.Segment is not null)
            throw new InvalidDataException($"{place} is stored in segments, which are not supported.");
        ReadOnlyMemory<byte> raw = default;
        bool isRaw = true;
        if (tensor.DataLocation == TensorProto.Types.DataLocation.External)
            raw = external.Read(tensor, length * bytes, place);
        else if (tensor.RawData.Length > 0 || length == 0)
            raw = tensor.RawData.Memory;
        else
            isRaw = false;
        if (isRaw && raw.Length != length * bytes)
            throw new InvalidDataException($"{place}: {length:N0} values of type {NameOf(tensor.DataType)} take "
                + $"{length * bytes:N0} bytes, but the file has {raw.Length:N0}.");
        if (!isRaw && CountOf(tensor, type) is var count && count != length)
            throw new InvalidDataException($"{place} has {length:N0} values according to its sizes, but the file has "
                + $"{count:N0}.");
        return IsReal(type)
            ? OnnxTensor.OfReals(sizes, () => isRaw ? RawReals(type, raw, (int)length) : TypedReals(type, tensor))
            : OnnxTensor.OfWholes(sizes, () => isRaw ? RawWholes(type, raw, (int)length) : TypedWholes(type, tensor),
                type == Type.Bool ? ElementKind.Truth : ElementKind.Whole).WithType(type);
    }

    /// <summary>Returns the name of a type of elements.</summary>
    public static string NameOf(int type)
        => Enum.IsDefined((Type)type) ? ((Type)type).ToString().ToLowerInvariant() : $"number {type}";

    /// <summary>Returns what elements of a type become; null if they are not supported.</summary>
    public static ElementKind? KindOf(int type) => BytesOf((Type)type) is null ? null
        : IsReal((Type)type) ? ElementKind.Real : (Type)type == Type.Bool ? ElementKind.Truth : ElementKind.Whole;

    private static long LengthOf(long[] sizes, string place)
    {
        long length = 1;
        foreach (long size in sizes)
        {
            if (size < 0 || size > Array.MaxLength || (length > 0 && size > Array.MaxLength / length))
                throw new InvalidDataException($"{place} has the sizes {Excerpt.Of(string.Join('×', sizes))}; none "
                    + $"may be negative, and their product at most {Array.MaxLength:N0}.");
            length *= size;
        }
        return length;
    }

    private static bool IsReal(Type type) => type is Type.Float or Type.Double or Type.Float16 or Type.Bfloat16;

    private static int? BytesOf(Type type) => type switch
    {
        Type.Bool or Type.Int8 or Type.Uint8 => 1,
        Type.Int16 or Type.Uint16 or Type.Float16 or Type.Bfloat16 => 2,
        Type.Float or Type.Int32 or Type.Uint32 => 4,
        Type.Double or Type.Int64 or Type.Uint64 => 8,
        _ => null,
    };

    private static long CountOf(TensorProto tensor, Type type) => type switch
    {
        Type.Float => tensor.FloatData.Count,
        Type.Double => tensor.DoubleData.Count,
        Type.Int64 => tensor.Int64Data.Count,
        Type.Uint32 or Type.Uint64 => tensor.Uint64Data.Count,
        _ => tensor.Int32Data.Count,
    };

    private static float[] RawReals(Type type, ReadOnlyMemory<byte> raw, int length)
    {
        ReadOnlySpan<byte> bytes = raw.Span;
        if (type == Type.Float && BitConverter.IsLittleEndian)
            return MemoryMarshal.Cast<byte, float>(bytes).ToArray();
        var values = new float[length];
        for (int i = 0; i < length; i++)
        {
            values[i] = type switch
            {
                Type.Float => BinaryPrimitives.ReadSingleLittleEndian(bytes[(4 * i)..]),
                Type.Double => (float)BinaryPrimitives.ReadDoubleLittleEndian(bytes[(8 * i)..]),
                Type.Float16 => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes[(2 * i)..]),
                _ => FromBfloat16(BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..])),
            };
        }
        return values;
    }

    private static float[] TypedReals(Type type, TensorProto tensor) => type switch
    {
        Type.Float => [.. tensor.FloatData],
        Type.Double => [.. tensor.DoubleData.Select(value => (float)value)],
        Type.Float16 => [.. tensor.Int32Data.Select(bits => (float)BitConverter.UInt16BitsToHalf((ushort)bits))],
        _ => [.. tensor.Int32Data.Select(bits => FromBfloat16((ushort)bits))],
    };

    private static long[] RawWholes(Type type, ReadOnlyMemory<byte> raw, int length)
    {
        ReadOnlySpan<byte> bytes = raw.Span;
        var values = new long[length];
        for (int i = 0; i < length; i++)
        {
            values[i] = type switch
            {
                Type.Bool => bytes[i] == 0 ? 0 : 1,
                Type.Uint8 => bytes[i],
                Type.Int8 => (sbyte)bytes[i],
                Type.Uint16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..]),
                Type.Int16 => BinaryPrimitives.ReadInt16LittleEndian(bytes[(2 * i)..]),
                Type.Uint32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes[(4 * i)..]),
                Type.Int32 => BinaryPrimitives.ReadInt32LittleEndian(bytes[(4 * i)..]),
                _ => BinaryPrimitives.ReadInt64LittleEndian(bytes[(8 * i)..]),
            };
        }
        return values;
    }

    private static long[] TypedWholes(Type type, TensorProto tensor) => type switch
    {
        Type.Int64 => [.. tensor.Int64Data],
        Type.Uint32 or Type.Uint64 => [.. tensor.Uint64Data.Select(value => (long)value)],
        _ => [.. tensor.Int32Data.Select(value => (long)value)],
    };

    private static float FromBfloat16(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);
}
