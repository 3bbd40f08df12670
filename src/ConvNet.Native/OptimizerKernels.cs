using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>The optimisers that have kernels; any other rule runs in C#.</summary>
internal static class OptimizerKernels
{
    /// <summary>An optimiser as the kernels know it, without the number of the step; null where none does.</summary>
    public static cn_optimizer? Of(Optimizer optimizer) => optimizer switch
    {
        Sgd sgd => new cn_optimizer
        {
            kind = cn_optimizer_kind.CN_SGD,
            flags = sgd.Nesterov ? cn_optimizer_flags.CN_NESTEROV : cn_optimizer_flags.None,
            momentum = sgd.Momentum,
        },
        _ => null,
    };
}
