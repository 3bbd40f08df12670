using ConvNet.GradientChecking;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The lines by which a program marks failures in the log of a CI job.</summary>
/// <remarks>GitHub: "Workflow commands for GitHub Actions". Azure: "Logging commands" of Azure Pipelines.</remarks>
internal static class Annotations
{
    // GitHub shows 10 errors, 10 warnings and 10 notices of a step, and drops the others.
    private const int Most = 10;

    // GitHub rejects longer titles.
    private const int MostTitle = 255;

    /// <summary>Returns the workflow commands of GitHub Actions.</summary>
    public static IEnumerable<string> GitHub(GradcheckResult result)
        => Of(result).Select(each => $"::{each.Level} title={Property(each.Title)}::{Escape(each.Message, "%25")}");

    /// <summary>Returns the logging commands of Azure Pipelines, which has errors and warnings only.</summary>
    public static IEnumerable<string> Azure(GradcheckResult result)
        => Of(result).Select(each => $"##vso[task.logissue type={(each.Level == "error" ? "error" : "warning")}]"
            + Escape($"{each.Title}: {each.Message}", "%AZP25"));

    /// <summary>Returns the logging command of Azure Pipelines that shows a Markdown file.</summary>
    public static string AzureSummary(string path) => $"##vso[task.uploadsummary]{Escape(path, "%AZP25")}";

    private static IEnumerable<(string Level, string Title, string Message)> Of(GradcheckResult result)
    {
        GradientReport report = result.Report;
        (LayerReport Layer, TensorReport Tensor)[] failures = [.. report.Failures
            .Where(row => row.Tensor.Verdict == Verdict.Fail).DistinctBy(row => row.Layer)];
        string again = result.Reproduce is { } command ? $"\nreproduce: {command}" : "";
        foreach ((LayerReport layer, TensorReport tensor) in failures.Length > Most ? failures[..(Most - 1)] : failures)
            yield return ("error", $"Gradient check: {layer.Layer} on {layer.Backend}, {GradientWords.Of(layer.Mode)}",
                GradientWords.Explain(layer, tensor) + again);
        if (failures.Length > Most)
            yield return ("error", $"Gradient check of {result.Title}",
                $"and {failures.Length - Most + 1} more comparisons are wrong; the reports list all{again}");
        (LayerReport Layer, TensorReport Tensor)[] accepted = [.. report.Accepted];
        if (accepted.Length > 0)
            yield return ("notice", $"Gradient check of {result.Title}: {accepted.Length} accepted "
                + (accepted.Length == 1 ? "deviation" : "deviations"), string.Join('\n',
                    accepted.Take(Most).Select(row => GradientWords.Explain(row.Layer, row.Tensor))));
        UnneededDeviation[] unneeded = [.. report.Unneeded.Where(each => each.Compared)];
        if (unneeded.Length > 0)
            yield return ("warning", $"Gradient check of {result.Title}: {unneeded.Length} of the baseline no longer "
                + "needed", string.Join('\n', unneeded.Take(Most)));
    }

    private static string Property(string text) => Escape(
        text.Length > MostTitle ? $"{text[..(MostTitle - 1)]}…" : text,
        "%25").Replace(":", "%3A", StringComparison.Ordinal).Replace(",", "%2C", StringComparison.Ordinal);

    private static string Escape(string text, string percent) => text.Replace("%", percent, StringComparison.Ordinal)
        .Replace("\r", "%0D", StringComparison.Ordinal).Replace("\n", "%0A", StringComparison.Ordinal);
}
