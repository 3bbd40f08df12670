using static System.FormattableString;

namespace ConvNet.GradientChecking;

/// <summary>The outcome of a gradient check.</summary>
/// <remarks><see cref="ToString"/> says what is wrong where; <see cref="ThrowIfFailed"/> makes a test of it, in any
/// framework.</remarks>
/// <param name="Layers">All comparisons.</param>
/// <param name="Cuts">Where exact mode was cut.</param>
public sealed record GradientReport(IReadOnlyList<LayerReport> Layers, IReadOnlyList<ExactCut> Cuts)
{
    private const int FailuresInWords = 10;

    /// <summary>What was checked and how, as <see cref="GradientCaseFile"/> writes it; null where that is a loss, or
    /// where the report is put together from others.</summary>
    public GradientCase? Case => Origin?.Case;

    /// <summary>Elements compared.</summary>
    public long Checked => Layers.Sum(l => l.Tensors.Sum(t => (long)t.Elements));

    /// <summary>Elements that are wrong.</summary>
    public long Failed => Layers.Sum(l => l.Tensors.Sum(t => (long)t.Failed));

    /// <summary>Elements that are suspect.</summary>
    public long Suspects => Layers.Sum(l => l.Tensors.Sum(t => (long)t.Suspects));

    /// <summary>The worst verdict; a suspect element of a tensor that exact mode passes is taken for right.</summary>
    public Verdict Verdict => Layers.Select(Decided).DefaultIfEmpty().Max();

    /// <summary>The comparison that is worst: a wrong one before a suspect one, then the largest error in units of its
    /// bound; null where nothing was compared.</summary>
    public (LayerReport Layer, TensorReport Tensor)? Worst => Comparisons
        .Select(row => ((LayerReport, TensorReport)?)row)
        .MaxBy(row => (row!.Value.Item2.Verdict, row.Value.Item2.WorstInBounds));

    /// <summary>The comparisons that did not pass, the worst first.</summary>
    public IEnumerable<(LayerReport Layer, TensorReport Tensor)> Failures => Comparisons
        .Where(row => row.Tensor.Verdict != Verdict.Pass)
        .OrderByDescending(row => row.Tensor.Verdict).ThenByDescending(row => row.Tensor.WorstInBounds);

    /// <summary>The outcome in one line.</summary>
    public string Summary
        => Invariant($"{GradientWords.Of(Verdict)}: {Checked:N0} values compared, {Failed:N0} wrong, ")
            + Invariant($"{Suspects:N0} suspect");

    /// <summary>Which layers were compared on a sample of their values, as a sentence; null if none was.</summary>
    public string? Sampled
    {
        get
        {
            (LayerReport Layer, TensorReport Tensor)[] sampled =
                [.. Comparisons.Where(row => row.Tensor.Elements < row.Tensor.Length)];
            if (sampled.Length == 0)
                return null;
            double share = sampled.Sum(row => (double)row.Tensor.Elements)
                / sampled.Sum(row => (double)row.Tensor.Length);
            return Invariant($"real numbers were compared on a sample of whole maps and filters, {share:0.0%} of the ")
                + Invariant($"values, in {string.Join(", ", sampled.Select(row => row.Layer.Layer).Distinct())}; ")
                + Invariant($"--whole compares all");
        }
    }

    /// <summary>How the report came about; null where it is put together from others.</summary>
    internal CheckOrigin? Origin { get; init; }

    private IEnumerable<(LayerReport Layer, TensorReport Tensor)> Comparisons
        => Layers.SelectMany(layer => layer.Tensors, (layer, tensor) => (Layer: layer, Tensor: tensor));

    /// <summary>The verdict, what is wrong with both values and the bound, the worst first, and how to get the same
    /// again.</summary>
    public override string ToString() => Text(Again(file: null));

    /// <summary>Throws unless something was compared and everything passed: the assertion of a test, whatever its
    /// framework.</summary>
    /// <remarks>What was checked is written to a file, so that <c>convnet gradcheck --case</c> shows the failure again;
    /// a layer of one's own has no form in JSON,
    /// and then the message names the call instead.</remarks>
    /// <param name="caseFile">The file; unless given a new one in the current folder, <c>gradcheck-failure.json</c> or
    /// with -2 and so on behind its name.</param>
    /// <exception cref="GradientCheckException">Something is wrong, or suspect and not cleared by exact mode, or
    /// nothing was compared; the message is the report with the
    /// command that shows it again.</exception>
    public void ThrowIfFailed(string? caseFile = null)
    {
        if (Checked == 0)
            throw new GradientCheckException(Text(again: ""), this);
        if (Verdict == Verdict.Pass)
            return;
        string again;
        try
        {
            bool isCommand = Case is not null && Origin!.Command("", Disagreeing) is not null;
            string? file = isCommand ? Path.GetFullPath(caseFile ?? GradientCaseFile.UnusedName()) : null;
            if (file is not null)
                GradientCaseFile.Save(file, Case!);
            again = Again(file);
        }
        catch (NotSupportedException)
        {
            again = Again(file: null);
        }
        // That a file cannot be written must not hide what is wrong.
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            again = $"{Again(file: null)}\nThe case could not be written: {failure.Message}";
        }
        throw new GradientCheckException(Text(again), this);
    }

    // The backends that disagree, as the report calls them.
    private string[] Disagreeing => [.. Failures.Select(row => row.Layer.Backend).Distinct()];

    private string Text(string again)
    {
        (LayerReport Layer, TensorReport Tensor)[] failures = [.. Failures];
        List<string> lines = [Checked > 0 ? Summary
            : "nothing was compared: no backend and mode of this check has a value to look at"];
        lines.AddRange(failures.Take(FailuresInWords).Select(row => GradientWords.Explain(row.Layer, row.Tensor)));
        if (failures.Length > FailuresInWords)
            lines.Add($"and {failures.Length - FailuresInWords} more");
        if (failures.Length == 0 && Worst is { Tensor.WorstInBounds: > 0 } worst)
            lines.Add($"The worst: {GradientWords.Explain(worst.Layer, worst.Tensor)}");
        lines.AddRange(Cuts.Select(cut => $"exact mode is cut at {cut.Layer}: {cut.Reason}"));
        if (failures.Length > 0 && again.Length > 0)
            lines.Add($"again: {again}");
        return string.Join('\n', lines);
    }

    // The command for a file with the case; without one the call. Empty where nothing is known of how the report came
    // about.
    private string Again(string? file)
        => Origin is null ? "" : file is null ? Origin.Call(Disagreeing) : Origin.Command(file, Disagreeing)!;

    private Verdict Decided(LayerReport layer) => layer.Verdict == Verdict.Suspect
        && layer.Tensors.All(t => t.Verdict == Verdict.Pass || PassesExactly(layer, t))
        ? Verdict.Pass
        : layer.Verdict;

    private bool PassesExactly(LayerReport suspect, TensorReport tensor) => Layers.Any(l => l.Mode == CheckModes.Exact
        && l.Backend == suspect.Backend && l.Layer == suspect.Layer
            && l.Tensors.Any(t => t.Name == tensor.Name && t.Verdict == Verdict.Pass));
}
