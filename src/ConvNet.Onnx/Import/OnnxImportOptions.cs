using Onnx;

namespace ConvNet.Onnx;

/// <summary>Options of an <see cref="OnnxImport"/>.</summary>
public sealed record OnnxImportOptions
{
    /// <summary>The shapes of samples of inputs, by name: for inputs whose sizes are free in the file.</summary>
    public IReadOnlyDictionary<string, Shape> InputShapes { get; init; } = new Dictionary<string, Shape>();

    /// <summary>Whether the tensors of the file have no dimension of the samples: an input as a whole is one sample.
    /// Operators that need samples, such as convolutions, cannot be imported then. By default, the first dimension of
    /// every input and output is that of the samples.</summary>
    public bool Unbatched { get; init; }

    /// <summary>Whether normalisation and dropout in training mode are refused, because their results in inference are
    /// not those of the file. By default, they become the layers that train so.</summary>
    internal bool RefusesTrainingMode { get; init; }

    /// <summary>Values of inputs that are to be constants, by name, such as weights that the file has as
    /// inputs.</summary>
    internal IReadOnlyDictionary<string, TensorProto> Constants { get; init; } = new Dictionary<string, TensorProto>();
}
