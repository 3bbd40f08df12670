namespace ConvNet.GradientChecking;

/// <summary>A disagreement that a gradient check found, made as small as it goes.</summary>
/// <param name="Case">The case; <see cref="GradientCaseFile"/> writes it, unless it has a layer of the user's
/// own.</param>
/// <param name="Backends">Who still disagrees on it: one backend, or all where it takes them all; none where the
/// reference contradicts itself.</param>
/// <param name="Report">What is wrong there.</param>
/// <param name="Runs">How many checks it took.</param>
public sealed record ShrunkFailure(GradientCase Case, IReadOnlyList<IBackend> Backends, LayerReport Report, int Runs)
{
    /// <summary>The tensor that is worst.</summary>
    public TensorReport Tensor => Report.Tensors.Where(IsWrong).MaxBy(tensor => tensor.WorstInBounds)!;

    /// <summary>Shrinks the first disagreement of a report: to its backend, its comparison and its layer, then as
    /// <see cref="Shrinker"/> does.</summary>
    /// <param name="failed">What was checked.</param>
    /// <param name="report">What came of it.</param>
    /// <param name="backends">Who was checked.</param>
    /// <param name="mostRuns">So many smaller cases are tried at most.</param>
    /// <returns>The failure; null where no value is wrong. Where it does not come again, it is the case as it
    /// was.</returns>
    public static ShrunkFailure? Of(GradientCase failed, GradientReport report, IReadOnlyList<IBackend> backends,
        int mostRuns = Shrinker.MostRuns)
    {
        ArgumentNullException.ThrowIfNull(failed);
        ArgumentNullException.ThrowIfNull(report);
        ArgumentNullException.ThrowIfNull(backends);
        // A reference with a wrong gradient fails everywhere, and a layer by itself explains what a network does.
        LayerReport? first = report.Layers.Where(HasWrong).OrderBy(layer => layer.Mode != CheckModes.FiniteDifferences)
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
                (GradientCase least, int more) = Shrinker.Shrink(start, candidate => Again(candidate, some, found)
                    is not null, mostRuns - runs);
                return new ShrunkFailure(least, some, Again(least, some, found) ?? found, runs + more);
            }
        }
        return new ShrunkFailure(failed, backends, first, runs);
    }

    /// <summary>Whether another case shows the same.</summary>
    public bool IsShownBy(GradientCase other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Again(other, Backends, Report) is not null;
    }

    /// <summary>What is wrong on what, and how to show it again where a layer of one's own keeps it from being written
    /// to a file.</summary>
    public override string ToString()
    {
        string what = FormattableString.Invariant($"{Report.Backend}, {Report.Mode}: {Tensor.Name}[{Tensor.Index}] ")
            + FormattableString.Invariant($"is {Tensor.Got:G9} and should be {Tensor.Truth:G9}, for {Case}");
        Layer? own = Case.Layers.Select(each => each.Layer).FirstOrDefault(layer => layer.Declaration is null);
        return own is null ? what : $"{what}. A {own.Kind} has no form in JSON, so there is no file for it; "
            + "GradientCheck.Run on this layer, these shapes and these options shows it again.";
    }

    private static IEnumerable<IReadOnlyList<IBackend>> Fewer(LayerReport failure, IReadOnlyList<IBackend> backends)
        => failure.Mode == CheckModes.FiniteDifferences
        ? [[]]
        : [.. backends.Where(backend => BackendVariant.NameOf(backend) == failure.Backend)
            .Select(backend => (IBackend[])[backend]), backends];

    private static IEnumerable<GradientCase> Narrower(GradientCase failed, LayerReport failure)
    {
        GradientCheckOptions options = failed.Options with { Modes = failure.Mode };
        if (failed is GraphGradientCase whole && whole.Graph.Nodes.FirstOrDefault(node => node.Name == failure.Layer)
            is { Layer: { } layer } node)
            yield return new LayerGradientCase(layer, node.InputShapes, options);
        yield return failed with { Options = options };
    }

    // The same comparison on the same backend is wrong, and of a single layer the same tensor.
    private static LayerReport? Again(GradientCase made, IReadOnlyList<IBackend> backends, LayerReport failure)
    {
        bool single = failure.Mode is CheckModes.Exact or CheckModes.Real or CheckModes.FiniteDifferences;
        bool IsIt(TensorReport tensor) => IsWrong(tensor)
            && (!single || failure.Tensors.Any(before => before.Name == tensor.Name && IsWrong(before)));
        try
        {
            return made.Run(backends).Layers.FirstOrDefault(layer => layer.Mode == failure.Mode && layer.Backend
                == failure.Backend && layer.Kind == failure.Kind && layer.Tensors.Any(IsIt));
        }
        catch (NotSupportedException)
        {
            return null;
        }
    }

    private static bool HasWrong(LayerReport layer) => layer.Tensors.Any(IsWrong);

    // Not one that is only called wrong because its zeros prove nothing.
    private static bool IsWrong(TensorReport tensor) => tensor.Verdict == Verdict.Fail && tensor.WorstInBounds > 1;
}
