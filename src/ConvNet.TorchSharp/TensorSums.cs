using TorchSharp;
using static TorchSharp.torch;

namespace ConvNet;

/// <summary>Tensor sums that create no objects for the garbage collector.</summary>
internal static class TensorSums
{
    private static readonly Scalar s_one = 1;

    /// <summary>Returns the sum of two tensors. <see cref="Tensor.add(Tensor)"/> would create a <see cref="Scalar"/> in
    /// every call. <see cref="GroupOptimizer"/> describes the cost.</summary>
    public static Tensor Plus(this Tensor x, Tensor y) => x.add(y, s_one);
}
