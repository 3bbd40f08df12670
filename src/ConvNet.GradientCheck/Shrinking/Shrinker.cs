namespace ConvNet.GradientChecking;

/// <summary>Reduces a failing case to a smaller case that still fails.</summary>
/// <remarks>
/// The rules are tried in this order: single layers; the ends of a graph; removing single nodes; then batch size,
/// channels, outputs and attributes of a loss, output channels, rows and columns, kernel size, stride, padding,
/// dilation, groups and other attributes; then the values: one comparison instead of several, smaller integers, uniform
/// real numbers, seed 1.
/// Each rule is repeated until it makes no more progress, and all rules are repeated until none helps. Every candidate
/// has fewer nodes, or as many nodes with a size or the number of outputs smaller and none larger, so the search
/// terminates. The result depends only on the case and on which cases fail.
/// </remarks>
internal static class Shrinker
{
    /// <summary>The default limit on the number of candidates tried.</summary>
    public const int MostRuns = 1_000;

    /// <summary>The default limit on the work of all candidates tried: a few minutes.</summary>
    public const long MostWork = 1L << 31;

    private static readonly Func<GradientCase, IEnumerable<GradientCase>>[] Rules =
    [
        GraphShrinks.SingleLayers, GraphShrinks.Ends, GraphShrinks.WithoutNode, Batch, ShapeShrinks.Channels, Classes,
        Losses, made => Layers(made, Smaller(AttributeRole.Channels)), ShapeShrinks.Rows, ShapeShrinks.Columns,
        made => Layers(made, LayerShrinks.Kernel), made => Layers(made, Smaller(AttributeRole.Stride)),
            made => Layers(made, Smaller(AttributeRole.Padding)),
        made => Layers(made, Smaller(AttributeRole.Dilation)), ShapeShrinks.Groups,
            made => Layers(made, Smaller(AttributeRole.Other)),
        Training, Modes, Integers, Values, Seed,
    ];

    /// <summary>Returns smaller cases, the largest reduction of each rule first. All of them are valid.</summary>
    public static IEnumerable<GradientCase> Candidates(GradientCase made)
    {
        ArgumentNullException.ThrowIfNull(made);
        return Rules.SelectMany(rule => rule(made));
    }

    /// <summary>Shrinks a case.</summary>
    /// <param name="failing">The failing case.</param>
    /// <param name="stillFails">Returns whether a candidate fails in the same way.</param>
    /// <param name="mostRuns">The maximum number of candidates to try.</param>
    /// <param name="mostWork">The maximum work of all candidates together. A candidate that exceeds what is left of it
    /// is not tried; smaller ones are.</param>
    /// <returns>A failing case, the number of runs, and whether a limit kept a candidate from being tried. If none did,
    /// no smaller candidate of that case fails.</returns>
    public static (GradientCase Case, int Runs, bool IsLimited) Shrink(GradientCase failing,
        Predicate<GradientCase> stillFails, int mostRuns = MostRuns, long mostWork = MostWork)
    {
        ArgumentNullException.ThrowIfNull(failing);
        ArgumentNullException.ThrowIfNull(stillFails);
        var passed = new HashSet<string>(StringComparer.Ordinal);
        int runs = 0;
        long work = 0;
        bool limited = false;
        bool Fails(GradientCase candidate)
        {
            if (!passed.Add($"{candidate}"))
                return false;
            long more = WorkOf(candidate);
            if (runs == mostRuns || more > mostWork - work)
            {
                limited = true;
                return false;
            }
            (runs, work) = (runs + 1, work + more);
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
        return (failing, runs, limited);
    }

    /// <summary>Returns what a check costs: a multiply-add, an output and a parameter count 1 each.</summary>
    internal static long WorkOf(GradientCase made)
    {
        int n = made.Options.Training?.BatchSize ?? made.Options.BatchSize;
        return made.Layers.Sum(each => n * (each.Layer.MultiplyAdds(each.Inputs) + each.Layer.Infer(each.Inputs).Length)
            + each.Layer.Parameters(each.Inputs).Sum(spec => (long)spec.Length));
    }

    /// <summary>Returns the created object, or null if a layer or graph does not accept its sizes.</summary>
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

    /// <summary>Returns the case with smaller layers: first all layers at once, so that the inputs of a sum still
    /// match, then one layer at a time.</summary>
    private static IEnumerable<GradientCase> Layers(GradientCase made, Func<Layer, IEnumerable<Layer>> smaller) => made
        switch
    {
        LayerGradientCase alone => smaller(alone.Layer)
            .Select(layer => Valid(() => ShapeShrinks.Checked(alone with { Layer = layer }))).OfType<GradientCase>(),
        GraphGradientCase whole => GraphShrinks.WithLayers(whole, smaller),
        _ => [],
    };

    private static IEnumerable<GradientCase> Batch(GradientCase made)
        => AttributeDeclaration.Smaller(made.Options.Training?.BatchSize ?? made.Options.BatchSize, 1)
            .Select(n => made with { Options = made.Options.WithBatch(n) });

    // The usual training, in place of the given optimiser and losses.
    private static IEnumerable<GradientCase> Training(GradientCase made) => made.Options.Training is { } training
        ? [made with { Options = made.Options with { Training = null, BatchSize = training.BatchSize } }] : [];

    private static IEnumerable<GradientCase> Classes(GradientCase made) => made is LossGradientCase loss
        ? AttributeDeclaration.Smaller(loss.Classes, 1)
            .Select(classes => loss with { Loss = loss.Loss.ForClasses(classes), Classes = classes })
        : [];

    private static IEnumerable<GradientCase> Losses(GradientCase made)
    {
        if (made is not LossGradientCase { Loss: { Declaration: { } declared } loss } alone)
            yield break;
        foreach (AttributeDeclaration attribute in declared.Attributes)
        {
            foreach (object smaller in attribute.Smaller(loss))
            {
                if (Valid(() => declared.Make(declared.ValuesOf(loss).With((attribute, smaller)))) is { } simpler)
                    yield return alone with { Loss = simpler };
            }
        }
    }

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
