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
        ["Erf"] = ActivationImports.Plain<Erf>,
        ["Exp"] = ActivationImports.Plain<Exp>,
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
        ["Log"] = ActivationImports.Plain<Log>,
        ["LogSoftmax"] = ActivationImports.LogSoftmax,
        ["MatMul"] = ConvolutionImports.MatMul,
        ["Max"] = ArithmeticImports.Max,
        ["MaxPool"] = PoolingImports.Max,
        ["Mean"] = ArithmeticImports.Mean,
        ["MeanVarianceNormalization"] = NormalizationImports.MeanVariance,
        ["Min"] = ArithmeticImports.Min,
        ["Mish"] = ActivationImports.Plain<Mish>,
        ["Mul"] = ArithmeticImports.Mul,
        ["Neg"] = ArithmeticImports.Neg,
        ["PRelu"] = ActivationImports.Prelu,
        ["Pad"] = ResizeImports.Pad,
        ["Pow"] = ArithmeticImports.Pow,
        ["Reciprocal"] = ActivationImports.Reciprocal,
        ["ReduceL1"] = ReductionImports.L1,
        ["ReduceL2"] = ReductionImports.L2,
        ["ReduceLogSum"] = ReductionImports.LogSum,
        ["ReduceLogSumExp"] = ReductionImports.LogSumExp,
        ["ReduceMax"] = ReductionImports.Max,
        ["ReduceMean"] = ReductionImports.Mean,
        ["ReduceMin"] = ReductionImports.Min,
        ["ReduceSum"] = ReductionImports.Sum,
        ["ReduceSumSquare"] = ReductionImports.SumSquare,
        ["Relu"] = ActivationImports.Plain<Relu>,
        ["Reshape"] = ShapeImports.Reshape,
        ["Resize"] = ResizeImports.Resize,
        ["Selu"] = ActivationImports.Selu,
        ["Shape"] = ShapeImports.Shape,
        ["Shrink"] = ActivationImports.Shrink,
        ["Sigmoid"] = ActivationImports.Plain<Sigmoid>,
        ["Size"] = ShapeImports.Size,
        ["Slice"] = ShapeImports.Slice,
        ["Softmax"] = ActivationImports.Softmax,
        ["Softplus"] = ActivationImports.Softplus,
        ["Softsign"] = ActivationImports.Softsign,
        ["SpaceToDepth"] = ShapeImports.SpaceToDepth,
        ["Split"] = ShapeImports.Split,
        ["Sqrt"] = ActivationImports.Sqrt,
        ["Squeeze"] = ShapeImports.Squeeze,
        ["Sub"] = ArithmeticImports.Sub,
        ["Sum"] = ArithmeticImports.Sum,
        ["Swish"] = ActivationImports.Swish,
        ["Tanh"] = ActivationImports.Plain<Tanh>,
        ["ThresholdedRelu"] = ActivationImports.ThresholdedRelu,
        ["Tile"] = ResizeImports.Tile,
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
            ["Threshold"] = ActivationImports.Threshold,
        }.ToFrozenDictionary(StringComparer.Ordinal);

    // Operators that are defined for N×C×H×W only.
    private static readonly FrozenSet<string> s_ofSamples = new[] { "AdaptiveAveragePool", "AdaptiveMaxPool",
        "AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "DepthToSpace", "GlobalAveragePool",
        "GlobalMaxPool", "GroupNormalization", "InstanceNormalization", "LRN", "MaxPool", "Pad", "Resize",
        "SpaceToDepth", "Upsample" }.ToFrozenSet();

    // Operators whose results are values of their inputs, which real numbers hold as they are up to 2^24.
    private static readonly FrozenSet<string> s_ofWholes = new[] { "Abs", "Cast", "Clip", "Concat", "DepthToSpace",
        "Expand", "Flatten", "Gather", "Identity", "Max", "MaxPool", "Min", "Pad", "ReduceMax", "ReduceMin", "Relu",
        "Reshape", "Shape", "Size", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze" }
        .ToFrozenSet();

    /// <summary>Whether an operator needs a dimension of the samples.</summary>
    public static bool NeedsSamples(OnnxNode node)
        => s_ofSamples.Contains(node.Operator) && !NormalizationImports.TrainsBatch(node);

    /// <summary>Whether an operator on whole numbers gives the same results as on real ones.</summary>
    public static bool KeepsWhole(OnnxNode node) => s_ofWholes.Contains(node.Operator);

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
