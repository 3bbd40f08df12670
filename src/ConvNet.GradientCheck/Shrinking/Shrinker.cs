namespace ConvNet.GradientChecking;

/// <summary>Makes a case smaller for as long as it still fails.</summary>
/// <remarks>
/// What is tried, in this order: single layers; the ends of a graph; single nodes left out; then the batch, channels,
/// channels of the output, rows and columns,
/// kernel, stride, padding, dilation, groups, other attributes; then the values: one comparison instead of several,
/// smaller whole numbers, uniform real ones, the seed 1.
/// Each rule is tried until nothing more comes of it, and all of them again until none helps. Every candidate has fewer
/// nodes, or as many and some size or the number of outputs smaller and none larger, so it ends; it is a function
/// of the case and of what fails alone.
/// </remarks>
public static class Shrinker
{
    /// <summary>Candidates that are tried unless said otherwise.</summary>
    public const int MostRuns = 1_000;

    private static readonly Func<GradientCase, IEnumerable<GradientCase>>[] Rules =
    [
        GraphShrinks.SingleLayers, GraphShrinks.Ends, GraphShrinks.WithoutNode, Batch, ShapeShrinks.Channels,
        made => Layers(made, Smaller(AttributeRole.Channels)), ShapeShrinks.Rows, ShapeShrinks.Columns,
        made => Layers(made, LayerShrinks.Kernel), made => Layers(made, Smaller(AttributeRole.Stride)),
            made => Layers(made, Smaller(AttributeRole.Padding)),
        made => Layers(made, Smaller(AttributeRole.Dilation)), ShapeShrinks.Groups,
            made => Layers(made, Smaller(AttributeRole.Other)),
        Modes, Integers, Values, Seed,
    ];

    /// <summary>Smaller cases, the boldest step of each rule first; all of them are valid.</summary>
    public static IEnumerable<GradientCase> Candidates(GradientCase made)
    {
        ArgumentNullException.ThrowIfNull(made);
        return Rules.SelectMany(rule => rule(made));
    }

    /// <summary>Shrinks a case.</summary>
    /// <param name="failing">The case.</param>
    /// <param name="stillFails">Whether a candidate fails in the way that is looked for.</param>
    /// <param name="mostRuns">So many candidates are tried at most.</param>
    /// <returns>A case that fails and none of whose candidates does, unless the runs were spent; and how many there
    /// were.</returns>
    public static (GradientCase Case, int Runs) Shrink(GradientCase failing, Predicate<GradientCase> stillFails,
        int mostRuns = MostRuns)
    {
        ArgumentNullException.ThrowIfNull(failing);
        ArgumentNullException.ThrowIfNull(stillFails);
        var passed = new HashSet<string>(StringComparer.Ordinal);
        int runs = 0;
        bool Fails(GradientCase candidate)
        {
            if (runs == mostRuns || !passed.Add($"{candidate}"))
                return false;
            runs++;
            return stillFails(candidate);
        }
        for (GradientCase? before = null; before != failing;)
        {
            before = failing;
            foreach (Func<GradientCase, IEnumerable<GradientCase>> rule in Rules)
            {
                while (rule(failing).FirstOrDefault(Fails) is { } smaller)
                    failing = smaller;
            }
        }
        return (failing, runs);
    }

    /// <summary>What is made, or null where layers or graphs refuse their sizes.</summary>
    internal static T? Valid<T>(Func<T> make) where T : class
    {
        try
        {
            return make();
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static Func<Layer, IEnumerable<Layer>> Smaller(AttributeRole role) => layer => LayerShrinks.Of(layer, role);

    /// <summary>The case with smaller layers: all of them at once, so that those which meet in a sum still fit, then
    /// one by one.</summary>
    private static IEnumerable<GradientCase> Layers(GradientCase made, Func<Layer, IEnumerable<Layer>> smaller) => made
        switch
    {
        LayerGradientCase alone => smaller(alone.Layer)
            .Select(layer => Valid(() => ShapeShrinks.Checked(alone with { Layer = layer }))).OfType<GradientCase>(),
        GraphGradientCase whole => GraphShrinks.WithLayers(whole, smaller),
        _ => [],
    };

    private static IEnumerable<GradientCase> Batch(GradientCase made)
        => AttributeDeclaration.Smaller(made.Options.BatchSize, 1)
            .Select(n => made with { Options = made.Options with { BatchSize = n } });

    private static IEnumerable<GradientCase> Modes(GradientCase made)
    {
        CheckModes modes = made.Options.Modes;
        return Enum.GetValues<CheckModes>().Where(mode => int.IsPow2((int)mode) && mode != modes && modes.HasFlag(mode))
            .Select(mode => made with { Options = made.Options with { Modes = mode } });
    }

    private static IEnumerable<GradientCase> Integers(GradientCase made)
        => AttributeDeclaration.Smaller(made.Options.LargestInteger, 1)
            .Select(largest => made with { Options = made.Options with { LargestInteger = largest } });

    private static IEnumerable<GradientCase> Values(GradientCase made)
        => made.Options.Values == RealValues.Uniform ? []
            : [made with { Options = made.Options with { Values = RealValues.Uniform } }];

    private static IEnumerable<GradientCase> Seed(GradientCase made) => made.Options.Seed <= 1 ? []
        : [made with { Options = made.Options with { Seed = 1 } }];
}
