using TorchSharp;
using static TorchSharp.torch;

namespace ConvNet;

/// <summary>Sums of tensors that leave nothing to the garbage collector.</summary>
internal static class TensorSums
{
    private static readonly Scalar s_one = 1;

    /// <summary>The sum of two tensors. <see cref="Tensor.add(Tensor)"/> would make a <see cref="Scalar"/> every time;
    /// <see cref="GroupOptimizer"/> says what that costs.</summary>
    public static Tensor Plus(this Tensor x, Tensor y) => x.add(y, s_one);
}
