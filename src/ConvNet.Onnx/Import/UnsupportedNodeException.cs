namespace ConvNet.Onnx;

/// <summary>A node that cannot be imported. The import goes on, to find all of them.</summary>
/// <param name="reason">The reason, in the form of a clause.</param>
internal sealed class UnsupportedNodeException(string reason) : Exception(reason);
