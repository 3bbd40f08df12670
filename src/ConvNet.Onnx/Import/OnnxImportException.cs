namespace ConvNet.Onnx;

/// <summary>A valid ONNX file has nodes that cannot be imported. <see cref="Operators"/> lists all of them.</summary>
public sealed class OnnxImportException : NotSupportedException
{
    internal OnnxImportException(string file, IReadOnlyList<UnsupportedOperator> operators, int unseen)
        : base($"{file} has {operators.Sum(each => each.Count)} nodes that cannot be imported: "
            + $"{string.Join("; ", operators)}." + (unseen == 0 ? ""
                : $" {unseen} more nodes read their results and have not been examined further."))
        => (Operators, Unseen) = (operators, unseen);

    /// <summary>The operators that cannot be imported, with the reasons and the nodes.</summary>
    public IReadOnlyList<UnsupportedOperator> Operators { get; }

    /// <summary>The number of nodes of known operators that read results of the others. Whether they could be imported
    /// is not known.</summary>
    public int Unseen { get; }
}
