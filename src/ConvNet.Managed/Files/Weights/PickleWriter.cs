using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace ConvNet.Serialization;

/// <summary>Writes the pickle of a PyTorch checkpoint: an ordered dictionary of float tensors.</summary>
internal static class PickleWriter
{
    /// <summary>Writes the pickle. The values of tensor i are in the entry <c>data/i</c> of the archive.</summary>
    /// <exception cref="ArgumentException">The number of values of a tensor does not match its dimensions.</exception>
    public static byte[] Write(IReadOnlyList<NamedTensor> tensors)
    {
        using var code = new MemoryStream();
        code.Write([0x80, 2]);
        WriteDictionary(code);
        code.Write("("u8);
        for (int i = 0; i < tensors.Count; i++)
        {
            WriteText(code, tensors[i].Name);
            WriteTensor(code, tensors[i], i);
        }
        code.Write("u."u8);
        return code.ToArray();
    }

    private static void WriteTensor(MemoryStream code, NamedTensor tensor, int index)
    {
        IReadOnlyList<int> sizes = tensor.Dimensions;
        if (sizes.Aggregate(1L, (product, size) => product * size) != tensor.Values.Length)
            throw new ArgumentException($"The tensor \"{tensor.Name}\" of {string.Join("×", sizes)} has "
                + $"{tensor.Values.Length:N0} values. Pass as many as its dimensions declare.", nameof(tensor));
        code.Write("ctorch._utils\n_rebuild_tensor_v2\n(("u8);
        WriteText(code, "storage");
        code.Write("ctorch\nFloatStorage\n"u8);
        WriteText(code, index.ToString(CultureInfo.InvariantCulture));
        WriteText(code, "cpu");
        WriteInteger(code, tensor.Values.Length);
        code.Write("tQ"u8);
        WriteInteger(code, 0);
        WriteTuple(code, sizes);
        var strides = new int[sizes.Count];
        for (int i = sizes.Count - 1, stride = 1; i >= 0; stride *= sizes[i--])
            strides[i] = stride;
        WriteTuple(code, strides);
        code.WriteByte(0x89);
        WriteDictionary(code);
        code.Write("tR"u8);
    }

    private static void WriteDictionary(MemoryStream code) => code.Write("ccollections\nOrderedDict\n)R"u8);

    private static void WriteTuple(MemoryStream code, IReadOnlyList<int> numbers)
    {
        code.Write("("u8);
        foreach (int number in numbers)
            WriteInteger(code, number);
        code.Write("t"u8);
    }

    private static void WriteInteger(MemoryStream code, int number)
    {
        Span<byte> bytes = stackalloc byte[1 + sizeof(int)];
        bytes[0] = (byte)'J';
        BinaryPrimitives.WriteInt32LittleEndian(bytes[1..], number);
        code.Write(bytes);
    }

    private static void WriteText(MemoryStream code, string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[1 + sizeof(int)];
        length[0] = (byte)'X';
        BinaryPrimitives.WriteInt32LittleEndian(length[1..], utf8.Length);
        code.Write(length);
        code.Write(utf8);
    }
}
