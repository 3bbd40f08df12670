using System.Collections.Frozen;

namespace ConvNet.Onnx;

/// <summary>Adds the layers of an ONNX node and defines its outputs.</summary>
/// <exception cref="UnsupportedNodeException">No layers compute what the node computes.</exception>
/// <exception cref="InvalidDataException">The node is invalid.</exception>
internal delegate void OperatorImport(ImportContext c, OnnxNode node);

/// <summary>The import of every operator, in one table: another operator is one line here and one function.</summary>
internal static class OperatorTable
{
    private static readonly FrozenDictionary<string, OperatorImport> s_onnx = new Dictionary<string, OperatorImport>
    {
        ["Abs"] = ArithmeticImports.Abs,
        ["Add"] = ArithmeticImports.Add,
        ["AveragePool"] = PoolingImports.Average,
        ["BatchNormalization"] = NormalizationImports.Batch,
        ["Cast"] = ShapeImports.Cast,
        ["Celu"] = ActivationImports.Celu,
        ["Clip"] = ActivationImports.Clip,
        ["Concat"] = ShapeImports.Concat,
        ["Conv"] = ConvolutionImports.Conv,
        ["ConvTranspose"] = ConvolutionImports.Transposed,
        ["DepthToSpace"] = ShapeImports.DepthToSpace,
        ["Div"] = ArithmeticImports.Div,
        ["Dropout"] = ActivationImports.Dropout,
        ["Elu"] = ActivationImports.Elu,
        ["Expand"] = ResizeImports.Expand,
        ["Flatten"] = ShapeImports.Flatten,
        ["Gelu"] = ActivationImports.Gelu,
        ["Gemm"] = ConvolutionImports.Gemm,
        ["Gather"] = ShapeImports.Gather,
        ["GlobalAveragePool"] = PoolingImports.GlobalAverage,
        ["GlobalMaxPool"] = PoolingImports.GlobalMax,
        ["GroupNormalization"] = NormalizationImports.Group,
        ["HardSigmoid"] = ActivationImports.HardSigmoid,
        ["HardSwish"] = ActivationImports.Plain<HardSwish>,
        ["Identity"] = ShapeImports.Identity,
        ["InstanceNormalization"] = NormalizationImports.Instance,
        ["LRN"] = NormalizationImports.LocalResponse,
        ["LayerNormalization"] = NormalizationImports.Layer,
        ["LeakyRelu"] = ActivationImports.LeakyRelu,
        ["LogSoftmax"] = ActivationImports.LogSoftmax,
        ["MatMul"] = ConvolutionImports.MatMul,
        ["Max"] = ArithmeticImports.Max,
        ["MaxPool"] = PoolingImports.Max,
        ["Mean"] = ArithmeticImports.Mean,
        ["Min"] = ArithmeticImports.Min,
        ["Mish"] = ActivationImports.Plain<Mish>,
        ["Mul"] = ArithmeticImports.Mul,
        ["Neg"] = ArithmeticImports.Neg,
        ["PRelu"] = ActivationImports.Prelu,
        ["Pad"] = ResizeImports.Pad,
        ["Pow"] = ArithmeticImports.Pow,
        ["ReduceMax"] = ReductionImports.Max,
        ["ReduceMean"] = ReductionImports.Mean,
        ["ReduceMin"] = ReductionImports.Min,
        ["ReduceSum"] = ReductionImports.Sum,
        ["Relu"] = ActivationImports.Plain<Relu>,
        ["Reshape"] = ShapeImports.Reshape,
        ["Resize"] = ResizeImports.Resize,
        ["Selu"] = ActivationImports.Selu,
        ["Shape"] = ShapeImports.Shape,
        ["Shrink"] = ActivationImports.Shrink,
        ["Sigmoid"] = ActivationImports.Plain<Sigmoid>,
        ["Slice"] = ShapeImports.Slice,
        ["Softmax"] = ActivationImports.Softmax,
        ["Softplus"] = ActivationImports.Softplus,
        ["SpaceToDepth"] = ShapeImports.SpaceToDepth,
        ["Split"] = ShapeImports.Split,
        ["Squeeze"] = ShapeImports.Squeeze,
        ["Sub"] = ArithmeticImports.Sub,
        ["Sum"] = ArithmeticImports.Sum,
        ["Swish"] = ActivationImports.Swish,
        ["Tanh"] = ActivationImports.Plain<Tanh>,
        ["ThresholdedRelu"] = ActivationImports.ThresholdedRelu,
        ["Transpose"] = ShapeImports.Transpose,
        ["Unsqueeze"] = ShapeImports.Unsqueeze,
        ["Upsample"] = ResizeImports.Upsample,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    // What several nodes of a file compute together: see PatternTable.
    private static readonly FrozenDictionary<string, OperatorImport> s_composed
        = new Dictionary<string, OperatorImport>
        {
            ["AdaptiveAveragePool"] = PoolingImports.AdaptiveAverage,
            ["AdaptiveMaxPool"] = PoolingImports.AdaptiveMax,
            ["Gelu"] = ActivationImports.Gelu,
            ["GroupNormalization"] = NormalizationImports.Group,
            ["LayerNormalization"] = NormalizationImports.LayerOfChannels,
            ["LRN"] = NormalizationImports.LocalResponse,
            ["Mish"] = ActivationImports.Plain<Mish>,
            ["Silu"] = ActivationImports.Plain<Silu>,
            ["Softplus"] = ActivationImports.Softplus,
        }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The names of the operators of ONNX.</summary>
    public static IEnumerable<string> Names => s_onnx.Keys.Order(StringComparer.Ordinal);

    /// <summary>Returns the import of an operator; null if there is none.</summary>
    public static OperatorImport? Find(OnnxNode node) => node.Domain switch
    {
        "" => s_onnx.GetValueOrDefault(node.Operator),
        OnnxNode.Composed => s_composed.GetValueOrDefault(node.Operator),
        "com.microsoft" when node.Operator == "Gelu" => ActivationImports.Gelu,
        _ => null,
    };
}
