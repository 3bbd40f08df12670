namespace ConvNet.GradientChecking;

/// <summary>A failure found by a gradient check, reduced as far as possible.</summary>
/// <param name="Case">The case. <see cref="GradientCaseFile"/> writes it, unless it has a custom layer.</param>
/// <param name="Backends">The backends that still disagree on it: one backend, or all if the failure needs all of them.
/// Empty if the reference contradicts itself.</param>
/// <param name="Report">The failing comparison.</param>
/// <param name="Runs">The number of checks that were run.</param>
public sealed record ShrunkFailure(GradientCase Case, IReadOnlyList<IBackend> Backends, LayerReport Report, int Runs)
{
    /// <summary>Whether the search ended at its limit of runs, or of 2³¹ multiply-adds, outputs and parameters of all
    /// cases tried. A smaller case may fail as well.</summary>
    public bool IsLimited { get; init; }

    /// <summary>The worst tensor.</summary>
    public TensorReport Tensor => Report.Tensors.Where(IsWrong).MaxBy(tensor => tensor.WorstInBounds)!;

    /// <summary>Shrinks the first failure of a report: first to its backend, mode and layer, then to a smaller graph,
    /// layer, batch and values.</summary>
    /// <param name="failed">The case that was checked.</param>
    /// <param name="report">The report of the check.</param>
    /// <param name="backends">The backends that were checked.</param>
    /// <param name="mostRuns">The maximum number of smaller cases to try.</param>
    /// <returns>The failure; null if no value is wrong. A failure that does not recur is returned with its original
    /// case.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="failed"/>, <paramref name="report"/> or
    /// <paramref name="backends"/> is null.</exception>
    public static ShrunkFailure? Of(GradientCase failed, GradientReport report, IReadOnlyList<IBackend> backends,
        int mostRuns = Shrinker.MostRuns)
    {
        ArgumentNullException.ThrowIfNull(failed);
        ArgumentNullException.ThrowIfNull(report);
        ArgumentNullException.ThrowIfNull(backends);
        // A reference with a wrong gradient fails in every mode, so forward mode comes first. A single layer
        // explains the failure of a network.
        LayerReport? first = report.Layers.Where(HasWrong).OrderBy(layer => layer.Mode != CheckModes.ForwardMode)
            .ThenBy(layer => layer.Mode).FirstOrDefault();
        if (first is null)
            return null;
        int runs = 0;
        foreach (IReadOnlyList<IBackend> some in Fewer(first, backends))
        {
            foreach (GradientCase start in Narrower(failed, first))
            {
                runs++;
                if (Again(start, some, first) is not { } found)
                    continue;
                (GradientCase least, int more, bool limited) = Shrinker.Shrink(start,
                    candidate => Again(candidate, some, found) is not null, mostRuns - runs);
                return new ShrunkFailure(least, some, Again(least, some, found) ?? found, runs + more)
                {
                    IsLimited = limited,
                };
            }
        }
        return new ShrunkFailure(failed, backends, first, runs);
    }

    /// <summary>Returns whether another case shows the same failure.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="other"/> is null.</exception>
    public bool IsShownBy(GradientCase other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Again(other, Backends, Report) is not null;
    }

    /// <summary>Returns what is wrong and on which backends. If a custom layer prevents writing a case file, also
    /// states how to reproduce the failure.</summary>
    public override string ToString()
    {
        string what = FormattableString.Invariant($"{Report.Backend}, {Report.Mode}: {Tensor.Name}[{Tensor.Index}] ")
            + FormattableString.Invariant($"is {Tensor.Got:G9} and should be {Tensor.Truth:G9}, for {Case}");
        Layer? own = Case.Layers.Select(each => each.Layer).FirstOrDefault(layer => layer.Declaration is null);
        return own is null ? what : $"{what}. A {own.Kind} cannot be written as JSON, so there is no case file; "
            + "GradientCheck.Run on this layer, these shapes and these options reproduces the failure.";
    }

    private static IEnumerable<IReadOnlyList<IBackend>> Fewer(LayerReport failure, IReadOnlyList<IBackend> backends)
        => failure.Mode == CheckModes.ForwardMode
        ? [[]]
        : [.. backends.Where(backend => BackendVariant.NameOf(backend) == failure.Backend)
            .Select(backend => (IBackend[])[backend]), backends];

    private static IEnumerable<GradientCase> Narrower(GradientCase failed, LayerReport failure)
    {
        GradientCheckOptions options = failed.Options with { Modes = failure.Mode };
        if (failed is GraphGradientCase whole && whole.Graph.Nodes.FirstOrDefault(node => node.Name == failure.Layer)
            is { Layer: { } layer } node)
            yield return new LayerGradientCase(layer, node.InputShapes, options.For(node));
        if (failed is GraphGradientCase { Graph: var graph } && failure.Mode is CheckModes.PlanExact
            or CheckModes.PlanReal)
        {
            string[] names = failure.Layer.Split(" + ");
            Node[] nodes = [.. graph.LayerNodes.Where(node => names.Contains(node.Name))];
            if (nodes.Length > 0)
                yield return new GraphGradientCase(new Segment(nodes, [], options).Graph,
                    options.WithBatch(options.Training?.BatchSize ?? options.BatchSize) with { Training = null });
        }
        yield return failed with { Options = options };
    }

    // The same comparison on the same backend must fail; for a single layer, the same tensor.
    private static LayerReport? Again(GradientCase made, IReadOnlyList<IBackend> backends, LayerReport failure)
    {
        bool single = failure.Mode is CheckModes.Exact or CheckModes.Real
            || (failure.Mode == CheckModes.ForwardMode && failure.Kind != EndToEnd.Kind);
        bool IsIt(TensorReport tensor) => IsWrong(tensor)
            && (!single || failure.Tensors.Any(before => before.Name == tensor.Name && IsWrong(before)));
        try
        {
            return made.Run(backends).Layers.FirstOrDefault(layer => layer.Mode == failure.Mode && layer.Backend
                == failure.Backend && layer.Kind == failure.Kind && layer.Tensors.Any(IsIt));
        }
        // A smaller graph may not suit the losses of the training.
        catch (Exception error) when (error is NotSupportedException or ArgumentException)
        {
            return null;
        }
    }

    private static bool HasWrong(LayerReport layer) => layer.Tensors.Any(IsWrong);

    // Excludes tensors that fail only because most of their values are zero and prove nothing.
    private static bool IsWrong(TensorReport tensor) => tensor.Verdict == Verdict.Fail && tensor.WorstInBounds > 1;
}
