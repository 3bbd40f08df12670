using static System.FormattableString;

namespace ConvNet.GradientChecking;

/// <summary>The result of a gradient check.</summary>
/// <remarks><see cref="ToString"/> describes what is wrong and where. <see cref="ThrowIfFailed"/> is an assertion for
/// tests in any framework.</remarks>
/// <param name="Layers">All comparisons.</param>
/// <param name="Gaps">What exact mode does not check, and where it starts new segments of the network.</param>
public sealed record GradientReport(IReadOnlyList<LayerReport> Layers, IReadOnlyList<ExactGap> Gaps)
{
    private const int FailuresInWords = 10;

    /// <summary>What was checked and with which options, in the form that <see cref="GradientCaseFile"/> writes. Null
    /// if the report combines other reports.</summary>
    public GradientCase? Case => Origin?.Case;

    /// <summary>Every step of the plans that train, and how often its results were compared; empty if no plan was
    /// checked.</summary>
    public IReadOnlyList<PlanStep> Steps { get; init; } = [];

    /// <summary>The number of elements compared.</summary>
    public long Checked => Layers.Sum(l => l.Tensors.Sum(t => (long)t.Elements));

    /// <summary>The number of wrong elements, without those of accepted deviations.</summary>
    public long Failed => Layers.Sum(l => l.Tensors.Where(IsCounted).Sum(t => (long)t.Failed));

    /// <summary>The number of elements that exceed their probable bound and were shown to be right otherwise.</summary>
    public long Suspects => Layers.Sum(l => l.Tensors.Sum(t => (long)t.Suspects));

    /// <summary>The worst verdict.</summary>
    public Verdict Verdict => Layers.Select(layer => layer.Verdict).DefaultIfEmpty().Max();

    /// <summary>The worst comparison: wrong before right, then by the largest error as a multiple of its bound. Null
    /// if nothing was compared.</summary>
    public (LayerReport Layer, TensorReport Tensor)? Worst => Comparisons
        .Select(row => ((LayerReport, TensorReport)?)row)
        .MaxBy(row => (row!.Value.Item2.Verdict, row.Value.Item2.WorstInBounds));

    /// <summary>The comparisons that neither passed nor were accepted, the worst first.</summary>
    public IEnumerable<(LayerReport Layer, TensorReport Tensor)> Failures => Comparisons
        .Where(row => row.Tensor.Verdict > Verdict.Accepted)
        .OrderByDescending(row => row.Tensor.Verdict).ThenByDescending(row => row.Tensor.WorstInBounds);

    /// <summary>The comparisons whose deviations are accepted, the largest error first.</summary>
    public IEnumerable<(LayerReport Layer, TensorReport Tensor)> Accepted => Comparisons
        .Where(row => row.Tensor.Verdict == Verdict.Accepted)
        .OrderByDescending(row => row.Tensor.WorstInBounds);

    /// <summary>The entries of the baseline that cover no deviation.</summary>
    public IReadOnlyList<UnneededDeviation> Unneeded { get; init; } = [];

    /// <summary>The result in one line.</summary>
    public string Summary
        => Invariant($"{GradientWords.Of(Verdict)}: {Checked:N0} values compared, {Failed:N0} wrong")
            + (Accepted.Count() is > 0 and int accepted
                ? Invariant($", {accepted:N0} {(accepted == 1 ? "deviation" : "deviations")} accepted") : "");

    /// <summary>A sentence that names the layers compared on a sample of their values; null if there are
    /// none.</summary>
    public string? Sampled
    {
        get
        {
            (LayerReport Layer, TensorReport Tensor)[] sampled =
                [.. Comparisons.Where(row => row.Layer.Mode == CheckModes.Real
                    && row.Tensor.Elements < row.Tensor.Length)];
            if (sampled.Length == 0)
                return null;
            double share = sampled.Sum(row => (double)row.Tensor.Elements)
                / sampled.Sum(row => (double)row.Tensor.Length);
            return Invariant($"real mode compared a sample of {share:0.0%} of the values, in whole maps and filters, ")
                + Invariant($"of {string.Join(", ", sampled.Select(row => row.Layer.Layer).Distinct())}; ")
                + Invariant($"--whole compares all");
        }
    }

    /// <summary>A sentence that names the backends of which only forward passes were compared; null if there are
    /// none.</summary>
    public string? ForwardOnly
    {
        get
        {
            string[] names = [.. Layers.Where(layer => layer.Remark.EndsWith(ForwardPass.Remark,
                StringComparison.Ordinal)).Select(layer => layer.Backend).Distinct()];
            return names.Length == 0 ? null : $"forward only: of {string.Join(", ", names)}, the outputs of inference "
                + "were compared, and no gradients, losses or steps, because it computes none";
        }
    }

    /// <summary>What the report was made from; null if it combines other reports.</summary>
    internal CheckOrigin? Origin { get; init; }

    private IEnumerable<(LayerReport Layer, TensorReport Tensor)> Comparisons
        => Layers.SelectMany(layer => layer.Tensors, (layer, tensor) => (Layer: layer, Tensor: tensor));

    /// <summary>Returns the verdict, the failed comparisons with both values and the bound, the worst first, and how to
    /// reproduce them.</summary>
    public override string ToString() => Text(Again(file: null));

    /// <summary>Applies a baseline: what it accepts no longer fails, and is reported as accepted.</summary>
    /// <remarks>A deviation larger than accepted still fails, and so does one whose date has passed.</remarks>
    /// <param name="baseline">The accepted deviations.</param>
    /// <param name="today">The current day; that of the clock, in UTC, if null.</param>
    /// <exception cref="ArgumentNullException"><paramref name="baseline"/> is null.</exception>
    public GradientReport Accepting(Baseline baseline, DateOnly? today = null)
    {
        ArgumentNullException.ThrowIfNull(baseline);
        DateOnly day = today ?? DateOnly.FromDateTime(DateTime.UtcNow);
        LayerReport[] judged = [.. Layers.Select(layer => baseline.Judge(layer, day))];
        return this with { Layers = judged, Unneeded = [.. baseline.UnneededIn(judged)] };
    }

    /// <summary>Throws unless something was compared and everything passed or was accepted. Serves as an assertion in
    /// any test framework.</summary>
    /// <remarks>The case is written to a file, so that <c>convnet gradcheck --case</c> reproduces the failure. The
    /// command does not know custom layers, losses and optimisers; with one, the message gives the call
    /// instead.</remarks>
    /// <param name="caseFile">The path of the file. If null, a new file in the current directory is used:
    /// <c>gradcheck-failure.json</c>, with a suffix -2, -3 and so on if needed.</param>
    /// <exception cref="GradientCheckException">A value is wrong, or nothing was compared. The message is
    /// the report with the command that reproduces it.</exception>
    public void ThrowIfFailed(string? caseFile = null)
    {
        if (Checked == 0)
            throw new GradientCheckException(Text(again: ""), this);
        if (Verdict <= Verdict.Accepted)
            return;
        string again;
        try
        {
            bool isCommand = Case is not null && Origin!.Command("", Disagreeing) is not null;
            string? file = isCommand ? Path.GetFullPath(caseFile ?? GradientCaseFile.UnusedName()) : null;
            if (file is not null)
            {
                // The command knows the layers, losses and optimisers of this library only.
                GradientCaseFile.Read(GradientCaseFile.Write(Case!));
                GradientCaseFile.Save(file, Case!);
            }
            again = Again(file);
        }
        catch (Exception custom) when (custom is NotSupportedException or InvalidDataException)
        {
            again = Again(file: null);
        }
        // A failure to write the file must not hide the failed check.
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            again = $"{Again(file: null)}\nThe case could not be written: {failure.Message}";
        }
        throw new GradientCheckException(Text(again), this);
    }

    // The backends that disagree, by their names in the report.
    private string[] Disagreeing => [.. Failures.Select(row => row.Layer.Backend).Distinct()];

    private string Text(string again)
    {
        (LayerReport Layer, TensorReport Tensor)[] failures = [.. Failures];
        List<string> lines = [Checked > 0 ? Summary
            : "nothing was compared: none of the modes applies to any backend of this check"];
        lines.AddRange(failures.Take(FailuresInWords).Select(row => GradientWords.Explain(row.Layer, row.Tensor)));
        if (failures.Length > FailuresInWords)
            lines.Add($"and {failures.Length - FailuresInWords} more");
        if (failures.Length == 0 && Worst is { Tensor.WorstInBounds: > 0 } worst)
            lines.Add($"The worst: {GradientWords.Explain(worst.Layer, worst.Tensor)}");
        lines.AddRange(Accepted.Select(row => GradientWords.Explain(row.Layer, row.Tensor)));
        lines.AddRange(Unneeded.Select(unneeded => $"{unneeded}"));
        lines.AddRange(Gaps.Select(gap => $"gap in exact mode at {gap.Layer}: {gap.Reason}"));
        if (ForwardOnly is { } forwardOnly)
            lines.Add(forwardOnly);
        if (failures.Length > 0 && again.Length > 0)
            lines.Add($"reproduce: {again}");
        return string.Join('\n', lines);
    }

    // The command for a case file, or the call if there is no file. Empty if the origin of the report is unknown.
    private string Again(string? file)
        => Origin is null ? "" : file is null ? Origin.Call(Disagreeing) : Origin.Command(file, Disagreeing)!;

    private static bool IsCounted(TensorReport tensor) => tensor.Verdict != Verdict.Accepted;
}
