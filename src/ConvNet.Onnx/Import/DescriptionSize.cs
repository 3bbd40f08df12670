namespace ConvNet.Onnx;

/// <summary>Measures a file before it is parsed: the description of the graph, without the values of its
/// constants.</summary>
/// <remarks>A few bytes of the description become an object of hundreds, while values take as much memory as they have
/// bytes. The fields are those of <c>onnx.proto3</c>.</remarks>
internal static class DescriptionSize
{
    private const int MostNested = 100, LengthDelimited = 2;

    // Which fields of a message are messages that may contain tensors, and which are the values of a tensor.
    private static readonly Dictionary<(Message, int), Message> s_fields = new()
    {
        [(Message.Model, 7)] = Message.Graph,
        [(Message.Model, 25)] = Message.Function,
        [(Message.Graph, 1)] = Message.Node,
        [(Message.Graph, 5)] = Message.Tensor,
        [(Message.Function, 7)] = Message.Node,
        [(Message.Node, 5)] = Message.Attribute,
        [(Message.Attribute, 5)] = Message.Tensor,
        [(Message.Attribute, 6)] = Message.Graph,
        [(Message.Attribute, 10)] = Message.Tensor,
        [(Message.Attribute, 11)] = Message.Graph,
        [(Message.Tensor, 4)] = Message.Values,
        [(Message.Tensor, 5)] = Message.Values,
        [(Message.Tensor, 7)] = Message.Values,
        [(Message.Tensor, 9)] = Message.Values,
        [(Message.Tensor, 10)] = Message.Values,
        [(Message.Tensor, 11)] = Message.Values,
    };

    private enum Message
    {
        Model,
        Graph,
        Function,
        Node,
        Attribute,
        Tensor,
        Values,
    }

    /// <summary>Returns the number of bytes of a file without the values of constants. Of a damaged file, which the
    /// parser refuses, all bytes behind the damage count.</summary>
    /// <param name="stream">The file, which is at its beginning afterwards.</param>
    public static long Of(Stream stream)
    {
        stream.Position = 0;
        long values = Values(stream, stream.Length, Message.Model, 0);
        stream.Position = 0;
        return stream.Length - values;
    }

    private static long Values(Stream stream, long end, Message message, int depth)
    {
        long values = 0;
        while (stream.Position < end)
        {
            if (Number(stream) is not { } tag || !Skips(stream, (int)(tag & 7), out long length) || length < 0
                || length > end - stream.Position)
                break;
            long next = stream.Position + length;
            if ((tag & 7) == LengthDelimited && depth < MostNested
                && s_fields.TryGetValue((message, (int)Math.Min(tag >> 3, int.MaxValue)), out Message inner))
                values += inner == Message.Values ? length : Values(stream, next, inner, depth + 1);
            stream.Position = next;
        }
        return values;
    }

    // The length of the content of a field, which is then skipped; false for a field that is not valid.
    private static bool Skips(Stream stream, int wire, out long length)
    {
        const int Fixed64 = 1, Fixed32 = 5;
        length = wire switch { Fixed64 => 8, Fixed32 => 4, _ => 0 };
        if (wire is Fixed64 or Fixed32)
            return true;
        ulong? number = wire is 0 or LengthDelimited ? Number(stream) : null;
        if (wire == LengthDelimited && number is { } given)
            length = (long)Math.Min(given, long.MaxValue);
        return number is not null;
    }

    private static ulong? Number(Stream stream)
    {
        ulong number = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            int next = stream.ReadByte();
            if (next < 0)
                return null;
            number |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
                return number;
        }
        return null;
    }
}
