namespace ConvNet.GradientChecking;

/// <summary>A copy of targets that remains valid after the call.</summary>
/// <param name="Classes">Class indices; null if the targets are values.</param>
/// <param name="Values">Values; null if the targets are class indices.</param>
/// <param name="SampleWeights">One weight for each sample; null if all samples have the same weight.</param>
internal sealed record KeptTargets(int[]? Classes, float[]? Values, float[]? SampleWeights = null)
{
    /// <summary>The targets of several outputs; null for a single output.</summary>
    public OutputTargets[]? Outputs { get; init; }

    /// <summary>Copies the targets of a call.</summary>
    public static KeptTargets Of(Targets targets) => new(
        targets.AreClasses ? targets.Classes.ToArray() : null,
        targets.AreClasses ? null : targets.Values.ToArray(),
        targets.SampleWeights.IsEmpty ? null : targets.SampleWeights.ToArray())
    {
        Outputs = targets.Outputs?.Select(Copy).ToArray(),
    };

    /// <summary>The targets for a call.</summary>
    public Targets Targets => (Outputs is not null ? Targets.Of(Outputs)
        : Classes is null ? Targets.Of(Values) : Targets.Of(Classes)).Weighted(SampleWeights);

    /// <summary>The targets as those of one of several outputs.</summary>
    public OutputTargets Of(string output) => Classes is null ? new(output, Values, SampleWeights)
        : new(output, Classes, SampleWeights);

    private static OutputTargets Copy(OutputTargets of)
    {
        Targets targets = of.Targets;
        float[] weights = targets.SampleWeights.ToArray();
        return targets.AreClasses
            ? new(of.Output, targets.Classes.ToArray(), weights)
            : new(of.Output, targets.Values.ToArray(), weights);
    }
}
