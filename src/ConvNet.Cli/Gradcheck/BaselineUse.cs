using ConvNet.GradientChecking;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The accepted deviations of one run, and what its reports need of them.</summary>
/// <param name="file">The file. Null if the run has no baseline.</param>
/// <param name="before">The baseline in the file. Null if the run has none.</param>
/// <param name="update">The reason and the last day of new entries. Null if the file stays as it is.</param>
internal sealed class BaselineUse(string? file, Baseline? before, (string Reason, DateOnly Expires)? update)
{
    private readonly List<LayerReport> _layers = [];

    /// <summary>Applies the baseline to the report of one subject.</summary>
    public GradientReport Accepted(GradientReport report)
    {
        if (before is null)
            return report;
        _layers.AddRange(report.Layers);
        return report.Accepting(BaselineFor(report));
    }

    /// <summary>Returns the entries that cover no deviation of any subject, and writes the file if it is to be
    /// updated.</summary>
    public IReadOnlyList<UnneededDeviation> Finish(Terminal terminal)
    {
        if (before is null)
            return [];
        var all = new GradientReport(_layers, []);
        Baseline after = BaselineFor(all);
        if (update is not null)
        {
            BaselineFile.Save(file!, after);
            terminal.Wrote(file!);
            terminal.Progress($"{file}: {after.Deviations.Count:N0} accepted "
                + $"{(after.Deviations.Count == 1 ? "deviation" : "deviations")}, "
                + $"{before.Deviations.Except(after.Deviations).Count():N0} removed");
        }
        return all.Accepting(after).Unneeded;
    }

    private Baseline BaselineFor(GradientReport report)
        => update is { } entry ? before!.Updated(report, entry.Reason, entry.Expires) : before!;
}
