namespace ConvNet.Onnx;

/// <summary>Nodes of an ONNX graph that cannot be imported, for one reason.</summary>
/// <param name="Domain">The domain of the operator.</param>
/// <param name="Operator">The name of the operator.</param>
/// <param name="Reason">The reason.</param>
/// <param name="Nodes">The names of the nodes.</param>
public sealed record UnsupportedOperator(string Domain, string Operator, string Reason, IReadOnlyList<string> Nodes)
{
    /// <summary>The number of nodes.</summary>
    public int Count => Nodes.Count;

    /// <inheritdoc/>
    public override string ToString() => $"{Count} {Excerpt.Of(Operator)} ({Excerpt.Of(Reason)})";
}
