using System.Runtime.InteropServices;
using Google.Protobuf;
using Onnx;
using OnnxVersion = Onnx.Version;

namespace ConvNet.Onnx;

/// <summary>Writes a graph with its parameters as an ONNX model for inference.</summary>
/// <remarks>
/// The model computes what <see cref="IExecutable.Infer"/> computes. Its inputs and outputs have the names of the
/// graph's. The number of samples is the free dimension <c>N</c>. Parameters are initializers with their names in the
/// graph. <see cref="LayerNodes"/> lists the nodes of each layer.
/// </remarks>
public static class OnnxExport
{
    // The first version of the operators that has all of those used. It came with version 9 of the format.
    private const int OperatorSetVersion = 20;
    private const OnnxVersion FormatVersion = OnnxVersion.IrVersion202355;

    /// <summary>Writes a model.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="values">Returns the values of a parameter or buffer, in the order of its dimensions.</param>
    /// <returns>The bytes of an <c>.onnx</c> file.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The values of a parameter have another length than the
    /// parameter.</exception>
    /// <exception cref="NotSupportedException">A layer has no ONNX nodes, or the parameters do not fit one file; the
    /// message names the layer or the size.</exception>
    public static byte[] Write(Graph graph, Func<Parameter, float[]> values)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(values);
        long bytes = graph.Parameters.Sum(parameter => (long)parameter.Length * sizeof(float));
        if (bytes > Array.MaxLength)
            throw new NotSupportedException($"The parameters take {bytes:N0} bytes; an ONNX file holds at most "
                + $"{Array.MaxLength:N0}. Use fewer channels or features.");
        var model = new ModelProto
        {
            IrVersion = (long)FormatVersion,
            ProducerName = "ConvNative",
            Graph = new OnnxGraph(graph).Proto,
        };
        model.OpsetImport.Add(new OperatorSetIdProto { Version = OperatorSetVersion });
        model.Graph.Initializer.AddRange(graph.Parameters.Select(parameter => TensorOf(parameter, values(parameter))));
        return model.ToByteArray();
    }

    private static TensorProto TensorOf(Parameter parameter, float[] values)
    {
        if (values.Length != parameter.Length)
            throw new ArgumentException($"{parameter} was given {values.Length} values; it has {parameter.Length}.",
                nameof(values));
        var tensor = new TensorProto
        {
            Name = parameter.Name,
            DataType = (int)TensorProto.Types.DataType.Float,
            RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes(values.AsSpan())),
        };
        tensor.Dims.AddRange(parameter.Dimensions.Select(size => (long)size));
        return tensor;
    }
}
