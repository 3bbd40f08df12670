using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>The optimisers that have kernels. All others run in C#.</summary>
internal static class OptimizerKernels
{
    /// <summary>Returns the kernel descriptor of an optimiser without a step number, or null if it has no
    /// kernel.</summary>
    public static cn_optimizer? Of(Optimizer optimizer) => optimizer switch
    {
        Sgd { Dampening: 0 } sgd => new cn_optimizer
        {
            kind = cn_optimizer_kind.CN_SGD,
            flags = sgd.Nesterov ? cn_optimizer_flags.CN_NESTEROV : cn_optimizer_flags.None,
            momentum = sgd.Momentum,
        },
        Adam { AmsGrad: false } adam => OfAdam(adam.Beta1, adam.Beta2, adam.Epsilon, cn_optimizer_flags.None),
        AdamW { AmsGrad: false } adam => OfAdam(adam.Beta1, adam.Beta2, adam.Epsilon, cn_optimizer_flags.CN_DECOUPLED),
        _ => null,
    };

    private static cn_optimizer OfAdam(double beta1, double beta2, double epsilon, cn_optimizer_flags flags)
        => new()
        {
            kind = cn_optimizer_kind.CN_ADAM,
            flags = flags,
            beta1 = beta1,
            beta2 = beta2,
            epsilon = epsilon,
        };
}
