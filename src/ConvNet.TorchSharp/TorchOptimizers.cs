using TorchParameter = TorchSharp.Modules.Parameter;

namespace ConvNet;

/// <summary>Parameters of an optimiser with the same options.</summary>
/// <param name="Tensors">The parameters.</param>
/// <param name="Options">Their options.</param>
internal sealed record OptimizerGroup(IReadOnlyList<TorchParameter> Tensors, ParameterOptions Options);

/// <summary>Torch's own optimisers in place of this library's rules.</summary>
internal static class TorchOptimizers
{
    /// <summary>Makes torch's optimiser, with a parameter group for each of the groups, in their order.</summary>
    public delegate FusedOptimizer Maker(IReadOnlyList<OptimizerGroup> groups);

    /// <summary>What makes torch's optimiser with a rule.</summary>
    /// <exception cref="NotSupportedException">Torch has none with this rule.</exception>
    public static Maker Of(Optimizer optimizer) => optimizer switch
    {
        Sgd sgd => groups => FusedOptimizer.Sgd(groups, sgd.Momentum, sgd.Nesterov),
        Adam adam => groups => FusedOptimizer.Adam(groups, adam.Beta1, adam.Beta2, adam.Epsilon),
        AdamW adam => groups => FusedOptimizer.AdamW(groups, adam.Beta1, adam.Beta2, adam.Epsilon),
        _ => throw new NotSupportedException(
            $"The torchsharp backend has no optimiser {optimizer.GetType().Name}: it takes torch's own, which is "
            + "what makes it independent of this library's rules, and knows "
            + $"{nameof(Sgd)}, {nameof(Adam)} and {nameof(AdamW)}. The managed and the native backend run any rule."),
    };
}
