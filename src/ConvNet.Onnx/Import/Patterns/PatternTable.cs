using System.Collections.Frozen;

namespace ConvNet.Onnx;

/// <summary>Recognises layers in the nodes that compute them together: those that this export and other programs
/// compose of several operators. Each pattern is found from its last node.</summary>
internal static class PatternTable
{
    private delegate OnnxNode? Pattern(OnnxProgram program, OnnxNode last);

    private static readonly FrozenDictionary<string, Pattern[]> s_patterns = new Dictionary<string, Pattern[]>
    {
        ["Add"] = [NormalizationPatterns.Group, LayerNormPatterns.Affine, LinearPatterns.Bias],
        ["Concat"] = [PoolingPatterns.AdaptiveMax],
        ["Div"] = [NormalizationPatterns.LocalResponse, LayerNormPatterns.Composed, ActivationPatterns.Product],
        ["Identity"] = [NormalizationPatterns.Group],
        ["MatMul"] = [PoolingPatterns.AdaptiveAverage],
        ["MaxPool"] = [PoolingPatterns.PaddedMax],
        ["Mul"] = [ActivationPatterns.Product],
        ["Transpose"] = [NormalizationPatterns.LayerOfChannels],
        ["Where"] = [ActivationPatterns.Softplus, ActivationPatterns.Threshold],
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Replaces the last node of every pattern, and removes the nodes that nothing reads then.</summary>
    public static void Apply(OnnxProgram program) => program.Replace(node => node.Domain.Length > 0 ? null
        : s_patterns.GetValueOrDefault(node.Operator)?.Select(pattern => pattern(program, node))
            .FirstOrDefault(found => found is not null));
}
