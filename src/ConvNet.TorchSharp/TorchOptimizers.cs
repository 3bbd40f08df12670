using TorchParameter = TorchSharp.Modules.Parameter;

namespace ConvNet;

/// <summary>Parameters of an optimiser with the same options.</summary>
/// <param name="Parameters">The parameters.</param>
/// <param name="Tensors">Their tensors.</param>
/// <param name="Options">Their options.</param>
internal sealed record OptimizerGroup(IReadOnlyList<Parameter> Parameters, IReadOnlyList<TorchParameter> Tensors,
    ParameterOptions Options);

/// <summary>Torch's own optimisers in place of this library's rules, where torch has them.</summary>
internal static class TorchOptimizers
{
    /// <summary>Makes an optimiser, with a parameter group for each of the groups, in their order.</summary>
    public delegate GroupOptimizer Maker(IReadOnlyList<OptimizerGroup> groups);

    /// <summary>Whether torch has an optimiser with a rule; any other runs in C#.</summary>
    public static bool HasKernel(Optimizer optimizer) => optimizer is Sgd or Adam or AdamW;

    /// <summary>What makes the optimiser with a rule: torch's own, or one in C#.</summary>
    public static Maker Of(Optimizer optimizer) => optimizer switch
    {
        Sgd sgd => groups => GroupOptimizer.Sgd(groups, sgd.Momentum, sgd.Nesterov),
        Adam adam => groups => GroupOptimizer.Adam(groups, adam.Beta1, adam.Beta2, adam.Epsilon),
        AdamW adam => groups => GroupOptimizer.AdamW(groups, adam.Beta1, adam.Beta2, adam.Epsilon),
        _ => groups => GroupOptimizer.InCSharp(groups, optimizer),
    };
}
