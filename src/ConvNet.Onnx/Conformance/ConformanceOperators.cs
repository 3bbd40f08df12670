using System.Collections.Frozen;
using Onnx;

namespace ConvNet.Onnx;

/// <summary>The operators of convolutional networks, whose cases are run.</summary>
internal static class ConformanceOperators
{
    // Beside those of the import: what such networks use too, so that what is missing is counted.
    private static readonly string[] s_further = ["CenterCropPad", "Col2Im", "Constant", "ConstantOfShape",
        "GlobalLpPool", "Hardmax", "LpNormalization", "LpPool", "MaxUnpool", "Range", "Where"];

    private static readonly FrozenSet<string> s_all = OperatorTable.Names.Concat(s_further).ToFrozenSet();

    /// <summary>Whether all operators of a model are those of convolutional networks.</summary>
    public static bool Are(ModelProto model)
    {
        var functions = model.Functions.Select(function => function.Name).ToHashSet();
        return model.Graph is { } graph && graph.Node.Count > 0
            && graph.Node.Concat(model.Functions.SelectMany(function => function.Node)).All(node
                => functions.Contains(node.OpType) || (node.Domain is "" or "ai.onnx" && s_all.Contains(node.OpType)));
    }
}
