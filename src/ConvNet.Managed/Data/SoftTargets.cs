namespace ConvNet.Data;

/// <summary>Converts classes to probabilities, which can be mixed.</summary>
internal static class SoftTargets
{
    /// <summary>Describes the probabilities of a target; values remain values.</summary>
    /// <exception cref="ArgumentException">The target has classes of pixels, or samples without a class.</exception>
    public static TargetDescription Describe(TargetDescription target)
    {
        string of = target.Output is { } output ? $" \"{output}\"" : "";
        return target switch
        {
            { Kind: TargetKind.Values } => target,
            { Kind: TargetKind.ClassesPerPixel } => throw new ArgumentException($"The target{of} has a class for each "
                + "pixel, which the transforms of batches do not mix. Omit them."),
            { IgnoredClass: { } ignored } => throw new ArgumentException($"The target{of} has labels {ignored} that "
                + "have no class, so samples cannot be mixed. Leave out these samples, or omit the transforms of "
                + "batches."),
            _ => TargetDescription.OfValues(target.Classes) with { Output = target.Output },
        };
    }

    /// <summary>Converts the target of a sample.</summary>
    /// <param name="classes">The class; empty if the target is values.</param>
    /// <param name="values">The values; empty if the target is a class.</param>
    /// <param name="soft">Receives the probabilities or the values.</param>
    public static void Convert(ReadOnlySpan<int> classes, ReadOnlySpan<float> values, Span<float> soft)
    {
        if (classes.IsEmpty)
        {
            values.CopyTo(soft);
            return;
        }
        soft.Clear();
        soft[classes[0]] = 1;
    }
}
