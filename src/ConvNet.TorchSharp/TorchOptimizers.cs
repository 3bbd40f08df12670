using TorchParameter = TorchSharp.Modules.Parameter;

namespace ConvNet;

/// <summary>Parameters that share optimiser options.</summary>
/// <param name="Parameters">The parameters.</param>
/// <param name="Tensors">Their tensors.</param>
/// <param name="Options">Their options.</param>
internal sealed record OptimizerGroup(IReadOnlyList<Parameter> Parameters, IReadOnlyList<TorchParameter> Tensors,
    ParameterOptions Options);

/// <summary>Maps this library's optimisers to those of torch, where torch has them.</summary>
internal static class TorchOptimizers
{
    /// <summary>Creates an optimiser with one parameter group for each of the given groups, in the same
    /// order.</summary>
    public delegate GroupOptimizer Maker(IReadOnlyList<OptimizerGroup> groups);

    /// <summary>Returns whether torch has an optimiser with this rule. Any other rule runs in C#.</summary>
    public static bool HasKernel(Optimizer optimizer)
        => optimizer is Sgd or Adam or AdamW or NAdam or RmsProp or Adagrad;

    /// <summary>Returns the factory of the optimiser with this rule: torch's own, or one in C#.</summary>
    public static Maker Of(Optimizer optimizer) => optimizer switch
    {
        Sgd sgd => groups => GroupOptimizer.Sgd(groups, sgd),
        Adam adam => groups => GroupOptimizer.Adam(groups, adam),
        AdamW adam => groups => GroupOptimizer.AdamW(groups, adam),
        NAdam nadam => groups => GroupOptimizer.NAdam(groups, nadam),
        RmsProp rmsProp => groups => GroupOptimizer.RmsProp(groups, rmsProp),
        Adagrad adagrad => groups => GroupOptimizer.Adagrad(groups, adagrad),
        _ => groups => GroupOptimizer.InCSharp(groups, optimizer),
    };
}
