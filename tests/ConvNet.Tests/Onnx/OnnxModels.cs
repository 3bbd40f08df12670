using ConvNet.Onnx;
using Onnx;

namespace ConvNet.Tests.Onnx;

/// <summary>Small ONNX models, built node by node.</summary>
internal static class OnnxModels
{
    /// <summary>A model with the input <c>x</c> and the output <c>y</c>.</summary>
    /// <param name="sizes">The sizes of the input; 0 stands for N.</param>
    /// <param name="version">The version of the operators.</param>
    /// <param name="nodes">The nodes.</param>
    public static ModelProto Of(int[] sizes, int version, params NodeProto[] nodes)
    {
        var model = new ModelProto { IrVersion = 8, Graph = new GraphProto { Name = "graph" } };
        model.OpsetImport.Add(new OperatorSetIdProto { Version = version });
        model.Graph.Node.AddRange(nodes);
        model.Graph.Input.Add(Value("x", sizes));
        model.Graph.Output.Add(Value("y", null));
        return model;
    }

    /// <summary>A node.</summary>
    public static NodeProto Node(string type, string[] inputs, string output, params AttributeProto[] attributes)
    {
        var node = new NodeProto { OpType = type };
        node.Input.AddRange(inputs);
        node.Output.Add(output);
        node.Attribute.AddRange(attributes);
        return node;
    }

    /// <summary>A model with another constant of real numbers.</summary>
    public static ModelProto With(this ModelProto model, string name, int[] sizes, params float[] values)
    {
        model.Graph.Initializer.Add(OnnxExport.TensorOf(name, sizes, values));
        return model;
    }

    /// <summary>A model with another list of whole numbers.</summary>
    public static ModelProto With(this ModelProto model, string name, params long[] values)
    {
        var tensor = new TensorProto { Name = name, DataType = (int)TensorProto.Types.DataType.Int64 };
        tensor.Dims.Add(values.Length);
        tensor.Int64Data.AddRange(values);
        model.Graph.Initializer.Add(tensor);
        return model;
    }

    /// <summary>An input or output of real numbers.</summary>
    public static ValueInfoProto Value(string name, int[]? sizes)
    {
        var type = new TypeProto.Types.Tensor { ElemType = (int)TensorProto.Types.DataType.Float };
        if (sizes is not null)
        {
            type.Shape = new TensorShapeProto();
            type.Shape.Dim.AddRange(sizes.Select(size => size == 0
                ? new TensorShapeProto.Types.Dimension { DimParam = "N" }
                : new TensorShapeProto.Types.Dimension { DimValue = size }));
        }
        return new ValueInfoProto { Name = name, Type = new TypeProto { TensorType = type } };
    }

    /// <summary>Imports a model.</summary>
    public static ImportedModel Import(this ModelProto model, OnnxImportOptions? options = null)
        => OnnxImport.Model(model, "model.onnx", null, options);

    /// <summary>The results of an imported model on a backend.</summary>
    public static float[] Infer(this ImportedModel model, IBackend backend, int batch, float[] input)
    {
        using IExecutable network = backend.CompileInference(model.Graph, batch);
        model.CopyTo(network);
        var output = new float[batch * model.Graph.Output.Shape.Length];
        network.Infer(input, output);
        return output;
    }
}
