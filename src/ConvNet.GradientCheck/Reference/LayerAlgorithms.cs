namespace ConvNet.GradientChecking;

/// <summary>The algorithms of one layer's passes.</summary>
internal readonly record struct LayerAlgorithms(SumAlgorithm Forward, SumAlgorithm InputGradient,
    SumAlgorithm WeightGradient)
{
    /// <summary>What an executable says of a node.</summary>
    public static LayerAlgorithms Of(IExecutable executable, Node node) => executable is IDeclaresAlgorithms declaring
        ? new(declaring.AlgorithmOf(node, SumPass.Forward), declaring.AlgorithmOf(node, SumPass.InputGradient),
            declaring.AlgorithmOf(node, SumPass.WeightGradient))
        : default;

    /// <summary>The algorithm of a pass.</summary>
    public SumAlgorithm this[SumPass pass] => pass switch
    {
        SumPass.Forward => Forward,
        SumPass.InputGradient => InputGradient,
        _ => WeightGradient,
    };
}
