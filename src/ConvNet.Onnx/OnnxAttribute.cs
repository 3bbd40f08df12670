using Google.Protobuf;
using Onnx;

namespace ConvNet.Onnx;

/// <summary>Creates attributes of ONNX nodes.</summary>
internal static class OnnxAttribute
{
    /// <summary>Creates a whole number.</summary>
    public static AttributeProto Of(string name, int value)
        => new() { Name = name, Type = AttributeProto.Types.AttributeType.Int, I = value };

    /// <summary>Creates a list of whole numbers.</summary>
    public static AttributeProto Of(string name, params int[] values)
    {
        var attribute = new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Ints };
        attribute.Ints.AddRange(values.Select(value => (long)value));
        return attribute;
    }

    /// <summary>Creates a list of whole numbers of 64 bits.</summary>
    public static AttributeProto OfWholes(string name, long[] values)
    {
        var attribute = new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Ints };
        attribute.Ints.AddRange(values);
        return attribute;
    }

    /// <summary>Creates a real number.</summary>
    public static AttributeProto Of(string name, float value)
        => new() { Name = name, Type = AttributeProto.Types.AttributeType.Float, F = value };

    /// <summary>Creates a text.</summary>
    public static AttributeProto Of(string name, string value) => new()
    {
        Name = name,
        Type = AttributeProto.Types.AttributeType.String,
        S = ByteString.CopyFromUtf8(value),
    };
}
