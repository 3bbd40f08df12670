using System.Numerics;
using System.Numerics.Tensors;

namespace ConvNet;

/// <summary>Weight decay that is applied to the weights and not to the gradients: w ← w·(1 − αλ).</summary>
/// <remarks>Source: Loshchilov and Hutter, ICLR 2019.</remarks>
internal static class DecoupledDecay
{
    /// <summary>Returns the factor 1 − αλ of a step, rounded once.</summary>
    public static double Factor(in UpdateContext context)
        => 1 - (double)context.LearningRate * context.WeightDecay;

    /// <summary>Multiplies weights by the factor.</summary>
    public static void Apply<T>(in UpdateContext context, Span<T> w)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        if (context.WeightDecay != 0)
            TensorPrimitives.Multiply(w, T.CreateChecked(Factor(context)), w);
    }
}
