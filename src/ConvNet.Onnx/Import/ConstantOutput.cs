namespace ConvNet.Onnx;

/// <summary>An output of an ONNX model that does not depend on its inputs, such as the size of one.</summary>
public sealed class ConstantOutput
{
    internal ConstantOutput(string name, OnnxTensor tensor)
    {
        (Name, Tensor) = (name, tensor);
    }

    /// <summary>The name in the file.</summary>
    public string Name { get; }

    /// <summary>The sizes of the dimensions; none for a scalar.</summary>
    public IReadOnlyList<long> Sizes => Tensor.Sizes;

    /// <summary>The values.</summary>
    internal OnnxTensor Tensor { get; }

    /// <summary>Returns the values as real numbers, in the order of their indices; truth values as 0 and 1.</summary>
    public float[] ToReals() => [.. Tensor.ToReals()];

    /// <summary>Returns the values as whole numbers, in the order of their indices; truth values as 0 and 1. Real
    /// numbers are rounded towards zero.</summary>
    public long[] ToWholes() => [.. Tensor.ToWholes()];
}
