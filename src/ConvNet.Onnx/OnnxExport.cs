using System.Runtime.InteropServices;
using Google.Protobuf;
using Onnx;
using OnnxVersion = Onnx.Version;

namespace ConvNet.Onnx;

/// <summary>Writes a graph with its parameters as an ONNX model for inference.</summary>
/// <remarks>
/// The model computes what <see cref="IExecutable.Infer"/> computes. Its inputs and outputs have the names of the
/// graph's. The number of samples is the free dimension <c>N</c>. Parameters are initializers with their names in the
/// graph.
/// </remarks>
public static class OnnxExport
{
    /// <summary>Writes a model.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="values">Returns the values of a parameter or buffer, in the order of its dimensions.</param>
    /// <param name="options">The options.</param>
    /// <returns>The bytes of an <c>.onnx</c> file.</returns>
    /// <exception cref="ArgumentNullException">The graph or the function is null.</exception>
    /// <exception cref="ArgumentException">The values of a parameter have another length than the parameter, or the
    /// normalisation does not match the only input.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The operator set is out of range.</exception>
    /// <exception cref="NotSupportedException">A layer has no ONNX nodes, or the parameters do not fit one file; the
    /// message names the layer or the size.</exception>
    public static byte[] Write(Graph graph, Func<Parameter, float[]> values, OnnxExportOptions? options = null)
        => Model(graph, values, options ?? new OnnxExportOptions()).ToByteArray();

    /// <summary>Creates a model.</summary>
    internal static ModelProto Model(Graph graph, Func<Parameter, float[]> values, OnnxExportOptions options)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(values);
        options.Check();
        long bytes = graph.Parameters.Sum(parameter => (long)parameter.Length * sizeof(float));
        if (bytes > Array.MaxLength)
            throw new NotSupportedException($"The parameters take {bytes:N0} bytes; an ONNX file holds at most "
                + $"{Array.MaxLength:N0}. Use fewer channels or features.");
        var onnx = new OnnxGraph(graph, Checked, options);
        var model = new ModelProto
        {
            IrVersion = (long)FormatOf(options.OperatorSet),
            ProducerName = "ConvNative",
            Graph = onnx.Proto,
        };
        model.OpsetImport.Add(new OperatorSetIdProto { Version = options.OperatorSet });
        model.Graph.Initializer.AddRange(graph.Parameters.Where(onnx.Reads)
            .Select(parameter => TensorOf(parameter.Name, parameter.Dimensions, Checked(parameter))));
        foreach ((string key, string text) in options.Metadata)
            model.MetadataProps.Add(new StringStringEntryProto { Key = key, Value = text });
        return model;

        float[] Checked(Parameter parameter)
        {
            float[]? read = values(parameter);
            return read?.Length == parameter.Length ? read : throw new ArgumentException($"{parameter} was given "
                + $"{read?.Length ?? 0} values; it has {parameter.Length}.", nameof(values));
        }
    }

    /// <summary>Creates a tensor in the form in which files are smallest.</summary>
    internal static TensorProto TensorOf(string name, IEnumerable<int> dimensions, float[] values)
    {
        var tensor = new TensorProto
        {
            Name = name,
            DataType = (int)TensorProto.Types.DataType.Float,
            RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes(values.AsSpan())),
        };
        tensor.Dims.AddRange(dimensions.Select(size => (long)size));
        return tensor;
    }

    // The version of the format that each version of the operators came with.
    private static OnnxVersion FormatOf(int operatorSet) => operatorSet switch
    {
        < 19 => OnnxVersion.IrVersion2021730,
        < 21 => OnnxVersion.IrVersion202355,
        < 23 => OnnxVersion.IrVersion2024325,
        < 24 => OnnxVersion.IrVersion20250512,
        _ => OnnxVersion.IrVersion20250826,
    };
}
