using ConvNet.Serialization;
using Google.Protobuf;
using Onnx;

namespace ConvNet.Onnx;

/// <summary>Reads ONNX files.</summary>
internal static class ModelFile
{
    // Subgraphs of subgraphs are nested; no real file comes near.
    private const int MostNested = 100;

    /// <summary>The most bytes of a model without the values of its constants.</summary>
    public const int MostDescription = InputFile.MaxTextBytes;

    /// <summary>Reads a model.</summary>
    /// <param name="path">The path of the file.</param>
    /// <exception cref="InvalidDataException">The file is not an ONNX model, or is damaged.</exception>
    /// <exception cref="IOException">The file cannot be read, or is not a regular file.</exception>
    public static ModelProto Read(string path)
    {
        using FileStream file = InputFile.Open(path);
        if (file.Length > int.MaxValue)
            throw new InvalidDataException($"{path} has {file.Length:N0} bytes; an ONNX file has at most "
                + $"{int.MaxValue:N0}. Larger models store their constants in other files.");
        return Read(file, path);
    }

    /// <summary>Reads a model from a stream.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="source">Its name, for errors.</param>
    /// <exception cref="InvalidDataException">The stream does not contain a model.</exception>
    public static ModelProto Read(Stream stream, string source)
    {
        if (DescriptionSize.Of(stream) is > MostDescription and var bytes)
            throw new InvalidDataException($"{source} is not an ONNX model, or too large: its description has "
                + $"{bytes:N0} bytes without the values of constants; the limit is {MostDescription:N0}.");
        ModelProto model = Parsed(ModelProto.Parser, stream, source, "an ONNX model");
        return model.Graph is not null && model.IrVersion > 0 ? model
            : throw new InvalidDataException($"{source} is not an ONNX model: it has no "
                + $"{(model.Graph is null ? "graph" : "version of the format")}.");
    }

    /// <summary>Reads a message from a stream.</summary>
    /// <exception cref="InvalidDataException">The stream does not contain one.</exception>
    public static T Parsed<T>(MessageParser<T> parser, Stream stream, string source, string what)
        where T : IMessage<T>
    {
        try
        {
            return parser.ParseFrom(CodedInputStream.CreateWithLimits(stream, int.MaxValue, MostNested));
        }
        catch (InvalidProtocolBufferException error)
        {
            throw new InvalidDataException($"{source} is not {what}, or is damaged: {error.Message}", error);
        }
    }
}
