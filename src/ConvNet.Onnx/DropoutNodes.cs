namespace ConvNet.Onnx;

/// <summary>The ONNX nodes of layers that drop values in training. All of them are Dropout nodes, which do nothing in
/// inference; a note of the node says which layer it is.</summary>
internal static class DropoutNodes
{
    /// <summary>Adds the node of a layer.</summary>
    public static void Add(OnnxGraph onnx, Node node, RandomDrop layer)
        => onnx.AddResult(node, "Dropout", [.. OnnxGraph.Value(node.Inputs[0]),
            onnx.Constant(node, "ratio", layer.Probability)], NoteOf(layer));

    /// <summary>Returns the layer of a node.</summary>
    /// <param name="note">Its note.</param>
    /// <param name="probability">The probability with which values are dropped.</param>
    public static Layer LayerOf(string note, float probability) => note switch
    {
        "dropout2d" => new Dropout2d(probability),
        "stochasticdepth of samples" => new StochasticDepth(probability),
        "stochasticdepth of batches" => new StochasticDepth(probability, StochasticDepthMode.Batch),
        _ => new Dropout(probability),
    };

    private static string NoteOf(RandomDrop layer) => layer switch
    {
        Dropout2d => "dropout2d",
        StochasticDepth { Mode: StochasticDepthMode.Batch } => "stochasticdepth of batches",
        StochasticDepth => "stochasticdepth of samples",
        _ => "",
    };
}
