namespace ConvNet.GradientChecking;

/// <summary>The algorithms of the passes of one layer.</summary>
internal readonly record struct LayerAlgorithms(SumAlgorithm Forward, SumAlgorithm InputGradient,
    SumAlgorithm WeightGradient)
{
    /// <summary>Returns the algorithms that an executable declares for a node.</summary>
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
