using Onnx;

namespace ConvNet.Onnx;

/// <summary>Options of an <see cref="OnnxImport"/>.</summary>
public sealed record OnnxImportOptions
{
    /// <summary>The shapes of samples of inputs, by name: for inputs whose sizes are free in the file.</summary>
    public IReadOnlyDictionary<string, Shape> InputShapes { get; init; } = new Dictionary<string, Shape>();

    /// <summary>Values of inputs that are to be constants, by name, such as weights that the file has as
    /// inputs.</summary>
    internal IReadOnlyDictionary<string, TensorProto> Constants { get; init; } = new Dictionary<string, TensorProto>();
}
