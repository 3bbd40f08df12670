using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The tables of <c>gradcheck --canaries</c>: faults injected into real backends, and the share that the check
/// detects.</summary>
internal static class CanaryTables
{
    /// <summary>Creates the tables of a report.</summary>
    public static SelfCheck Of(CanaryReport report)
    {
        CanaryRow[] exact = [.. report.Rows.Where(row => row.Mode == CheckModes.Exact)],
            real = [.. report.Rows.Where(row => row.Mode == CheckModes.Real)];
        string[] backends = [.. report.Rows.Select(row => row.Backend).Distinct()];
        string lead = $"{Enum.GetValues<FaultKind>().Length} kinds of faults injected into every result of "
            + $"{report.Rows.Select(row => row.Case).Distinct().Count()} layers and losses on "
            + $"{string.Join(", ", backends)}. "
            + $"Of those that changed a value, exact mode caught {Of(exact)} and real mode {Of(real)}.";
        return new SelfCheck(report.Missed.Count > 0, lead,
        [
            ("By layer:", ByLayer(report.Rows)),
            ("By kind of fault and layer: the share caught by exact mode · real mode. – means that the fault changes "
                + "nothing, or that float32 rounds even on integers:", Matrix(report.Rows)),
        ], [.. report.Missed.Select(Words)], Document(report));
    }

    private static string Of(CanaryRow[] rows) => $"{SelfCheck.Number(rows.Sum(row => row.Caught))} of "
        + $"{SelfCheck.Number(rows.Sum(row => row.Injected))}, "
        + $"{SelfCheck.Share(rows.Sum(row => row.Caught), rows.Sum(row => row.Injected))}";

    private static TextTable ByLayer(IReadOnlyList<CanaryRow> rows) => SelfCheck.TableOf(
        ["layer", "kinds", "results", "faults, exact", "caught", "faults, real", "caught"],
            1,
        rows.GroupBy(row => row.Case).Select(of =>
        {
            CanaryRow[] exact = [.. of.Where(row => row.Mode == CheckModes.Exact)],
                real = [.. of.Where(row => row.Mode == CheckModes.Real)];
            int injected = exact.Sum(row => row.Injected), injectedReal = real.Sum(row => row.Injected);
            return (string[])[of.Key, $"{of.Select(row => row.Kind).Distinct().Count()}",
                $"{of.Select(row => row.Target).Distinct().Count()}",
                injected == 0 ? "–" : SelfCheck.Number(injected),
                    SelfCheck.Share(exact.Sum(row => row.Caught), injected),
                    SelfCheck.Number(injectedReal),
                    SelfCheck.Share(real.Sum(row => row.Caught), injectedReal)];
        }));

    private static TextTable Matrix(IReadOnlyList<CanaryRow> rows)
    {
        string[] layers = [.. rows.Select(row => row.Case).Distinct()];
        return SelfCheck.TableOf(["fault", .. layers], 1, rows.GroupBy(row => row.Kind).OrderBy(kind => kind.Key)
            .Select(kind => (string[])[Words(kind.Key),
                .. layers.Select(layer => Cell([.. kind.Where(row => row.Case == layer)]))]));
    }

    private static string Cell(CanaryRow[] rows)
    {
        string Rate(CheckModes mode)
        {
            CanaryRow[] of = [.. rows.Where(row => row.Mode == mode)];
            return SelfCheck.Share(of.Sum(row => row.Caught), of.Sum(row => row.Injected)).TrimEnd('%');
        }
        return rows.Length == 0 ? "–" : $"{Rate(CheckModes.Exact)} · {Rate(CheckModes.Real)}";
    }

    /// <summary>Formats a kind of fault, for example <c>term left out</c>.</summary>
    public static string Words(FaultKind kind)
        => string.Concat($"{kind}".Select((c, i) => char.IsUpper(c) && i > 0 ? $" {char.ToLowerInvariant(c)}"
        : $"{char.ToLowerInvariant(c)}"));

    private static string Words(CanaryMiss miss)
        => $"{GradientWords.Of(miss.Mode)} mode missed on {miss.Backend}: {Words(miss.Fault.Kind)} in "
            + $"{miss.Fault.Target} of {miss.Case}, "
        + $"element {miss.Index}, fault {miss.Fault.Seed} on the values of seed {miss.ValuesSeed}";

    private static object Document(CanaryReport report) => new
    {
        rows = report.Rows.Select(row => new
        {
            row.Backend,
            row.Case,
            kind = Words(row.Kind),
            target = $"{row.Target}",
            mode = GradientWords.Of(row.Mode),
            row.Injected,
            row.Caught,
        }),
        missed = report.Missed.Select(Words),
    };
}
