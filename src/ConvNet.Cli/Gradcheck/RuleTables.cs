using ConvNet.GradientChecking.Research;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The tables of <c>gradcheck --rules</c>: what commonly used tolerance rules detect, and how often they
/// report correct results as wrong.</summary>
internal static class RuleTables
{
    /// <summary>Creates the tables of a report.</summary>
    public static SelfCheck Of(IReadOnlyList<RuleRow> rows)
    {
        RuleRow[] right = [.. rows.Where(row => row.Kind is null)],
            wrong = [.. rows.Where(row => row.Kind is not null)];
        string[] ours = [.. RuleComparison.Rules.TakeLast(2)];
        string[] broken = [.. rows.Where(row => ours.Contains(row.Rule) && row.Kind is null && row.Alarms > 0)
            .Select(row => $"{row.Rule} reported {row.Alarms} correct results of {row.Backend} as wrong: {row.Target}, "
                + $"{row.Terms:N0} terms"),
            .. wrong.Where(row => row.Rule == ours[^1] && row.Alarms < row.Results)
                .Select(row => $"{row.Rule} missed {CanaryTables.Words(row.Kind!.Value)} in {row.Target} of "
                    + $"{row.Backend}, {row.Terms:N0} terms")];
        string lead = "Outputs, input gradients and weight gradients on "
            + $"{string.Join(", ", rows.Select(row => row.Backend).Distinct())}. The gradient of the output has the "
            + "scale of a sum over the batch (1), of a mean over 128 samples (1/128), "
            + "or a hundredth of that (1/12,800), as occurs in some networks.";
        return new SelfCheck(broken.Length > 0, lead,
        [
            ("False alarms: correct results reported as wrong, by the number of terms of their sums and by the scale "
                + "of the gradient.", ByLengthAndScale(right, null)),
            ("One term of one element left out: share caught, by number of terms and scale.",
                ByLengthAndScale(wrong, FaultKind.TermLeftOut)),
            ("All kinds of faults in gradients of scale 1/12,800: share caught.",
                ByKind([.. wrong.Where(row => row.Scale == RuleComparison.Scales[^1])])),
            ("All kinds of faults, all lengths and scales: share caught.", ByKind(wrong)),
        ], broken, new
        {
            rows = rows.Select(row => new
            {
                row.Rule,
                row.Terms,
                row.Scale,
                target = $"{row.Target}",
                fault = row.Kind is { } kind ? CanaryTables.Words(kind) : null,
                row.Backend,
                row.Results,
                row.Alarms
            })
        });
    }

    private static TextTable ByLengthAndScale(RuleRow[] rows, FaultKind? kind)
    {
        int[] lengths = [.. rows.Select(row => row.Terms).Distinct().Order()];
        RuleRow[] chosen = [.. rows.Where(row => row.Kind == kind)];
        return SelfCheck.TableOf(
            ["rule", .. lengths.Select(length => $"n = {SelfCheck.Number(length)}"), .. RuleComparison.Scales.Select(
            scale => $"scale {Words(scale)}"), "all"], 1, RuleComparison.Rules.Select(rule => (string[])[rule,
            .. lengths.Select(length => Share([.. chosen.Where(row => row.Rule == rule && row.Terms == length)])),
            .. RuleComparison.Scales.Select(
                scale => Share([.. chosen.Where(row => row.Rule == rule && row.Scale == scale)])),
                Counts([.. chosen.Where(row => row.Rule == rule)])]));
    }

    private static TextTable ByKind(RuleRow[] rows)
    {
        FaultKind[] kinds = [.. rows.Select(row => row.Kind!.Value).Distinct().Order()];
        return SelfCheck.TableOf(["rule", .. kinds.Select(CanaryTables.Words)], 1,
            RuleComparison.Rules.Select(rule => (string[])[rule,
            .. kinds.Select(kind => Share([.. rows.Where(row => row.Rule == rule && row.Kind == kind)]))]));
    }

    private static string Words(double scale) => scale == 1 ? "1"
        : $"1/{SelfCheck.Number((long)Math.Round(1 / scale))}";

    private static string Share(RuleRow[] rows)
        => SelfCheck.Share(rows.Sum(row => row.Alarms), rows.Sum(row => row.Results));

    private static string Counts(RuleRow[] rows) => $"{SelfCheck.Number(rows.Sum(row => row.Alarms))} of "
        + $"{SelfCheck.Number(rows.Sum(row => row.Results))}";
}
