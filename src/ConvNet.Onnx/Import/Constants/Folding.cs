using System.Collections.Frozen;
using Type = Onnx.TensorProto.Types.DataType;

namespace ConvNet.Onnx;

/// <summary>Computes nodes that read constants only.</summary>
/// <param name="tensors">Reads the constants of attributes.</param>
internal sealed class Folding(TensorReader tensors)
{
    /// <summary>The most values that all folded constants of a model may have, so that a small file cannot ask for
    /// much memory: 256 MB as real numbers.</summary>
    public const long MostValues = 1 << 26;

    /// <summary>Computes the first output of a node; null stands for an input that is omitted.</summary>
    internal delegate OnnxTensor Function(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs);

    private static readonly FrozenDictionary<string, Function> s_functions = new Dictionary<string, Function>
    {
        ["Abs"] = FoldedArithmetic.Of(Math.Abs),
        ["Add"] = FoldedArithmetic.Of((a, b) => a + b, (a, b) => a + b),
        ["And"] = FoldedArithmetic.Truth((a, b) => a != 0 && b != 0),
        ["Cast"] = FoldedArithmetic.Cast,
        ["Ceil"] = FoldedArithmetic.Of(Math.Ceiling),
        ["Concat"] = FoldedMoves.Concat,
        ["ConstantOfShape"] = (_, _) => throw new InvalidOperationException(),
        ["Div"] = FoldedArithmetic.Of((a, b) => a / b, (a, b) => b == 0 ? 0 : a / b),
        ["Equal"] = FoldedArithmetic.Truth((a, b) => a == b),
        ["Erf"] = FoldedArithmetic.Of(ErrorFunction.Value),
        ["Exp"] = FoldedArithmetic.Of(Math.Exp),
        ["Expand"] = FoldedMoves.Expand,
        ["Flatten"] = FoldedMoves.Flatten,
        ["Floor"] = FoldedArithmetic.Of(Math.Floor),
        ["Gather"] = FoldedMoves.Gather,
        ["Gemm"] = FoldedProducts.Gemm,
        ["Greater"] = FoldedArithmetic.Truth((a, b) => a > b),
        ["Identity"] = (_, inputs) => inputs[0]!,
        ["Less"] = FoldedArithmetic.Truth((a, b) => a < b),
        ["Log"] = FoldedArithmetic.Of(Math.Log),
        ["MatMul"] = FoldedProducts.MatMul,
        ["Max"] = FoldedArithmetic.Of(Math.Max, Math.Max),
        ["Min"] = FoldedArithmetic.Of(Math.Min, Math.Min),
        ["Mod"] = FoldedArithmetic.Of((a, b) => a % b, (a, b) => b == 0 ? 0 : ((a % b) + b) % b),
        ["Mul"] = FoldedArithmetic.Of((a, b) => a * b, (a, b) => a * b),
        ["Neg"] = FoldedArithmetic.Of(value => -value),
        ["Not"] = (node, inputs) => FoldedArithmetic.Truth((a, _) => a == 0)(node, [inputs[0], inputs[0]]),
        ["Or"] = FoldedArithmetic.Truth((a, b) => a != 0 || b != 0),
        ["Pow"] = FoldedArithmetic.Pow,
        ["Range"] = FoldedMoves.Range,
        ["Reciprocal"] = FoldedArithmetic.Of(value => 1 / value),
        ["ReduceL1"] = FoldedReductions.Of(Math.Abs, (sum, _) => sum),
        ["ReduceL2"] = FoldedReductions.Of(value => value * value, (sum, _) => Math.Sqrt(sum)),
        ["ReduceMax"] = FoldedReductions.Of(Math.Max),
        ["ReduceMean"] = FoldedReductions.Of(value => value, (sum, count) => sum / count),
        ["ReduceMin"] = FoldedReductions.Of(Math.Min),
        ["ReduceProd"] = FoldedMoves.Product,
        ["ReduceSum"] = FoldedReductions.Of(value => value, (sum, _) => sum, firstWithInput: 13),
        ["ReduceSumSquare"] = FoldedReductions.Of(value => value * value, (sum, _) => sum),
        ["Reshape"] = FoldedMoves.Reshape,
        ["Shape"] = FoldedMoves.Shape,
        ["Size"] = (_, inputs) => OnnxTensor.Of([], [inputs[0]!.Length]),
        ["Slice"] = FoldedMoves.Slice,
        ["Sqrt"] = FoldedArithmetic.Of(Math.Sqrt),
        ["Squeeze"] = FoldedMoves.Squeeze,
        ["Sub"] = FoldedArithmetic.Of((a, b) => a - b, (a, b) => a - b),
        ["Tile"] = FoldedMoves.Tile,
        ["Transpose"] = FoldedMoves.Transpose,
        ["Unsqueeze"] = FoldedMoves.Unsqueeze,
        ["Where"] = FoldedArithmetic.Where,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private long _left = MostValues;

    /// <summary>Whether a node is computed if it reads constants only.</summary>
    public static bool Knows(OnnxNode node) => node.Domain.Length == 0 && s_functions.ContainsKey(node.Operator);

    /// <summary>Computes a node.</summary>
    /// <returns>Null if the operator is not computed here.</returns>
    /// <exception cref="UnsupportedNodeException">The result is too large.</exception>
    /// <exception cref="InvalidDataException">The node is invalid.</exception>
    public OnnxTensor? Fold(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        if (node.Domain.Length > 0)
            return null;
        if (node.Operator == "Constant")
            return OfAttribute(node);
        if (!s_functions.TryGetValue(node.Operator, out Function? function) || inputs.Count == 0 || inputs[0] is null)
            return null;
        try
        {
            OnnxTensor folded = node.Operator == "ConstantOfShape" ? Filled(node, inputs[0]!) : function(node, inputs);
            Take(node, folded.Length);
            bool isFree = inputs.Any(input => input?.DependsOnBatch == true);
            return Marked(Typed(node, folded, inputs, isFree), isFree);
        }
        catch (Exception error) when (error is IndexOutOfRangeException or ArgumentException or OverflowException
            or InvalidOperationException or NullReferenceException)
        {
            throw new InvalidDataException($"{node.Place}: its constants do not fit together.", error);
        }
    }

    /// <summary>Marks a constant that was computed from the free number of samples, if it still depends on
    /// it.</summary>
    public static OnnxTensor Marked(OnnxTensor tensor, bool isFree)
    {
        if (!isFree || (tensor.Kind == ElementKind.Whole
            && tensor.Wholes.All(value => Math.Abs(value) < ImportContext.FreeBatch)))
            return tensor;
        return tensor.Marked();
    }

    // Whole numbers have the type of the first input, unless the operator says another one.
    private static OnnxTensor Typed(OnnxNode node, OnnxTensor folded, IReadOnlyList<OnnxTensor?> inputs, bool isFree)
    {
        if (folded.Kind != ElementKind.Whole || node.Operator is "ConstantOfShape" or "Shape" or "Size")
            return folded;
        Type type = node.Operator switch
        {
            "Cast" => (Type)node.Whole("to"),
            "Where" => inputs[1]!.Type,
            _ => inputs[0]!.Type,
        };
        // What stands for the number of samples must not wrap.
        return isFree ? folded.WithType(type) : folded.Wrapped(type);
    }

    private void Take(OnnxNode node, long values)
    {
        if (values > _left)
            throw new UnsupportedNodeException($"the constants that are computed from others have more than "
                + $"{MostValues:N0} values, with {values:N0} of {node.Operator}");
        _left -= values;
    }

    private OnnxTensor Filled(OnnxNode node, OnnxTensor shape)
    {
        long[] sizes = shape.ToWholes();
        double length = sizes.Aggregate(1.0, (product, size) => product * size);
        if (sizes.Any(size => size < 0) || length > _left)
            throw new UnsupportedNodeException($"it makes a constant of {Excerpt.Of(string.Join('×', sizes))} values");
        OnnxTensor value = node.Tensor("value") is { } given ? tensors.Read(given, node.Place)
            : OnnxTensor.Of([1], [0f]);
        if (value.Length != 1)
            throw new InvalidDataException($"{node.Place} has a value of {value.Length} elements.");
        return value.Kind == ElementKind.Real
            ? OnnxTensor.Of(sizes, [.. Enumerable.Repeat(value.Reals[0], (int)length)])
            : OnnxTensor.Of(sizes, [.. Enumerable.Repeat(value.Wholes[0], (int)length)], value.Kind)
                .WithType(value.Type);
    }

    private OnnxTensor OfAttribute(OnnxNode node)
    {
        if (node.Tensor("value") is { } tensor)
            return tensors.Read(tensor, node.Place);
        if (node.Has("value_float"))
            return OnnxTensor.Of([], [node.Real("value_float")]);
        if (node.Has("value_int"))
            return OnnxTensor.Of([], [node.Whole("value_int")]);
        if (node.Reals("value_floats") is { } reals)
            return OnnxTensor.Of([reals.Length], reals);
        return node.Wholes("value_ints") is { } wholes ? OnnxTensor.List(wholes)
            : throw new UnsupportedNodeException("its value is neither dense nor a number");
    }
}
