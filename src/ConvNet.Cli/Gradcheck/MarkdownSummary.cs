using System.Globalization;
using System.Text;
using ConvNet.GradientChecking;

namespace ConvNet.Cli.Gradcheck;

/// <summary>Formats a gradient check as Markdown for the summary of a CI job.</summary>
internal static class MarkdownSummary
{
    private const int FailuresInWords = 20;

    /// <summary>Returns the text: the verdict, a table of backends and modes, the failures, and the segment boundaries
    /// of exact mode.</summary>
    public static string Of(GradcheckResult result)
    {
        GradientReport report = result.Report;
        var text = new StringBuilder();
        Line($"### Gradient check of {Escape(result.Title)}: {GradientWords.Of(report.Verdict)}");
        Line($"");
        string counts = FormattableString.Invariant($"{report.Failed:N0} wrong");
        Line($"{report.Checked:N0} values compared in {result.Elapsed.TotalSeconds:0.0} s, {counts}.");
        Line($"");
        CheckModes[] modes = [.. report.Layers.Select(layer => layer.Mode).Distinct()];
        Line($"| backend | {string.Join(" | ", modes.Select(GradientWords.Of))} |");
        Line($"|---|{string.Concat(modes.Select(_ => "---|"))}");
        foreach (IGrouping<string, LayerReport> backend in report.Layers.GroupBy(layer => layer.Backend))
        {
            IEnumerable<string> cells = modes.Select(mode => Cell([.. backend.Where(layer => layer.Mode == mode)]));
            Line($"| {Escape(backend.Key)} | {string.Join(" | ", cells)} |");
        }
        Line($"");
        Line($"For each mode: the number of layers that agree, and the largest error in units of its bound.");
        (int steps, int covered, int exact) = (report.Steps.Count, report.Steps.Count(step => step.IsCovered),
            report.Steps.Count(step => step.Exact > 0));
        if (steps > 0)
            Line($"\n{covered:N0} of {steps:N0} steps of the plans compared, {exact:N0} with tolerance zero.\n");
        foreach (PlanStep step in report.Steps.Where(step => !step.IsCovered))
            Line($"- **not compared**: {Escape($"{step}")}");
        if (report.Sampled is { } samples)
            Line($"\n{Escape(samples)}.\n");
        foreach ((BackendVariant backend, SelfTestResult test) in result.Backends.Zip(result.SelfTests)
            .Where(each => !each.Second.Passed))
            Line($"\n**{Escape(backend.Name)}** {Escape(test.Finding)}.\n");
        (LayerReport Layer, TensorReport Tensor)[] failures = [.. result.Report.Failures];
        foreach ((LayerReport layer, TensorReport tensor) in failures.Take(FailuresInWords))
            Line($"- {Escape(GradientWords.Explain(layer, tensor))}");
        if (failures.Length > FailuresInWords)
            Line($"- and {failures.Length - FailuresInWords} more");
        (LayerReport Layer, TensorReport Tensor)[] accepted = [.. report.Accepted];
        if (accepted.Length > 0)
            Line($"\nAccepted deviations:\n");
        foreach ((LayerReport layer, TensorReport tensor) in accepted.Take(FailuresInWords))
            Line($"- {Escape(GradientWords.Explain(layer, tensor))}");
        if (accepted.Length > FailuresInWords)
            Line($"- and {accepted.Length - FailuresInWords} more");
        foreach (UnneededDeviation unneeded in report.Unneeded)
            Line($"- {Escape($"{unneeded}")}");
        if (result.Reproduce is { } again)
            Line($"\nReproduce: `{again}`");
        if (report.Gaps.Count > 0)
        {
            IEnumerable<string> gaps = report.Gaps.Select(gap => $"\n- at {Escape(gap.Layer)}: {Escape(gap.Reason)}");
            Line($"\nGaps in exact mode:\n{string.Concat(gaps)}");
        }
        return text.ToString();

        void Line(FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
    }

    private static string Cell(LayerReport[] layers)
    {
        if (layers.Length == 0)
            return "";
        int good = layers.Count(layer => layer.Verdict != Verdict.Fail);
        double worst = layers.SelectMany(layer => layer.Tensors).Select(tensor => tensor.WorstInBounds).DefaultIfEmpty()
            .Max();
        int accepted = layers.Count(layer => layer.Verdict == Verdict.Accepted);
        string error = worst == 0 ? "equal" : worst.ToString("0.00", CultureInfo.InvariantCulture);
        if (accepted > 0)
            error += FormattableString.Invariant($", {accepted} accepted");
        return good == layers.Length ? $"{good}, {error}"
            : $"**{layers.Length - good} wrong** of {layers.Length}, {error}";
    }

    private static string Escape(string text) => text.Replace("|", "\\|", StringComparison.Ordinal)
        .Replace("<", "&lt;", StringComparison.Ordinal).ReplaceLineEndings(" ");
}
