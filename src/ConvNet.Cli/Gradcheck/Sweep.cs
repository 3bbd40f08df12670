using System.Diagnostics;
using System.Globalization;
using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using MathNet.Numerics.Statistics;

namespace ConvNet.Cli.Gradcheck;

/// <summary><c>gradcheck --sweep</c>: checks random layers on backends assumed to be correct, to find false
/// alarms.</summary>
internal static class Sweep
{
    private const double SecondsBetweenLines = 5;

    // The last range starts beyond the long sums.
    private static readonly int[] Ranges = [0, 1, 10, 100, 1_000, 10_000, RandomCases.LongSum + 1];

    /// <summary>Checks a number of cases, except those already in the log.</summary>
    /// <param name="count">The number of cases.</param>
    /// <param name="seed">The seed of the first case. Seeds are consecutive.</param>
    /// <param name="backends">The backends.</param>
    /// <param name="log">The log file, which stores the result of each case. Null for none.</param>
    /// <param name="terminal">Receives progress messages.</param>
    public static SelfCheck Run(int count, ulong seed, IReadOnlyList<BackendVariant> backends, string? log,
        Terminal terminal)
    {
        string[] names = [.. backends.Select(backend => backend.Name)];
        using SweepLog? kept = log is null ? null : SweepLog.Open(log, names);
        var cases = new List<SweepCase>(count);
        var clock = Stopwatch.StartNew();
        TimeSpan next = default;
        for (int i = 0; i < count; i++)
        {
            ulong of = seed + (ulong)i;
            if (kept?.Find(of) is not { } found)
            {
                terminal.Cancellation.ThrowIfCancellationRequested();
                if (clock.Elapsed >= next)
                {
                    terminal.Progress($"{i:N0} of {count:N0} cases; next seed: {of}");
                    next = clock.Elapsed + TimeSpan.FromSeconds(SecondsBetweenLines);
                }
                found = SoundnessSweep.Check(of, backends, terminal.Cancellation);
                kept?.Append(found);
                if (log is not null)
                    terminal.Wrote(log);
            }
            cases.Add(found);
        }
        return Result(cases, names);
    }

    private static SelfCheck Result(List<SweepCase> cases, string[] backends)
    {
        int longest = cases.Count(of => of.Terms > RandomCases.LongSum);
        string[] alarms =
            [.. cases.SelectMany(
            of => of.Outcomes.Select((outcome, i) => (Case: of, Outcome: outcome, Backend: backends[i])))
            .Where(row => row.Outcome.Verdict != Verdict.Pass)
            .Select(row => $"{row.Backend} is reported as {GradientWords.Of(row.Outcome.Verdict)} in {row.Case.Layer}: "
                + $"{Words(row.Outcome)}; reproduce: convnet gradcheck --sweep 1 --seed {row.Case.Seed} --backends "
                + $"{string.Join(',', backends)}")];
        string lead = $"{SelfCheck.Number(cases.Count)} random layers on {backends.Length} backends, "
            + $"{SelfCheck.Share(longest, cases.Count)} of them with sums of over "
            + $"{SelfCheck.Number(RandomCases.LongSum)} terms: {SelfCheck.Number(alarms.Length)} false alarms.";
        return new SelfCheck(alarms.Length > 0, lead,
        [
            ("Results of both modes per backend. An unlucky value exceeds its probable bound, but not the largest "
                + "possible rounding error, and exact mode shows that its terms are right.",
                PerBackend(cases, backends)),
            ("The largest error in real mode, in units of its bound, by kind of layer:",
                Worst(cases, backends)),
            ("n, the number of terms of the longest sum of a case: "
                + $"{string.Join(", ", Quantiles(cases).Select(q => $"{q.Name} {SelfCheck.Number(q.Terms)}"))}.",
                    Histogram(cases)),
        ], alarms, Document(cases, backends, alarms));
    }

    private static string Words(SweepOutcome outcome)
        => string.Join("; ", outcome.Findings.Where(finding => finding.Failed > 0).Select(finding
        => string.Create(CultureInfo.InvariantCulture,
            $"{GradientWords.Of(finding.Mode)}: {finding.Failed:N0} of {finding.Elements:N0} values wrong, "
                + $"worst {finding.Worst:0.00} bounds in {finding.Tensor}")));

    private static TextTable PerBackend(List<SweepCase> cases, string[] backends) => SelfCheck.TableOf(
        ["backend", "cases", "with exact mode", "values compared", "wrong, exact", "wrong, real", "unlucky",
            "false alarms", "largest error / bound"], 1,
        backends.Select((name, i) =>
        {
            SweepFinding[] exact = Of(cases, i, CheckModes.Exact), real = Of(cases, i, CheckModes.Real);
            return (string[])[name, SelfCheck.Number(cases.Count), SelfCheck.Number(exact.Length),
                SelfCheck.Number(exact.Concat(real).Sum(f => f.Elements)),
                SelfCheck.Number(exact.Sum(f => f.Failed)), SelfCheck.Number(real.Sum(f => f.Failed)),
                    SelfCheck.Number(real.Sum(f => f.Suspects)),
                SelfCheck.Number(cases.Count(of => of.Outcomes[i].Verdict != Verdict.Pass)), Figure(WorstOf(real))];
        }));

    private static TextTable Worst(List<SweepCase> cases, string[] backends)
        => SelfCheck.TableOf(["layer", "cases", .. backends], 1,
        cases.GroupBy(of => of.Kind).OrderBy(kind => kind.Key, StringComparer.Ordinal)
            .Select(kind => (string[])[kind.Key, SelfCheck.Number(kind.Count()),
                .. backends.Select((_, i) => Figure(WorstOf(Of(kind, i, CheckModes.Real))))]));

    private static TextTable Histogram(List<SweepCase> cases)
        => SelfCheck.TableOf(["n", "cases", "share"], 1, Ranges.Select((least, i) =>
    {
        bool last = i == Ranges.Length - 1;
        int count = cases.Count(of => of.Terms >= least && (last || of.Terms < Ranges[i + 1]));
        string range = last ? $"over {SelfCheck.Number(least - 1)}" : Ranges[i + 1] - least == 1 ? $"{least}"
            : $"{SelfCheck.Number(least)} to {SelfCheck.Number(Ranges[i + 1] - 1)}";
        return (string[])[range, SelfCheck.Number(count), SelfCheck.Share(count, cases.Count)];
    }));

    private static IEnumerable<(string Name, int Terms)> Quantiles(List<SweepCase> cases)
    {
        double[] terms = [.. cases.Select(of => (double)of.Terms).Order()];
        int At(double share)
            => (int)SortedArrayStatistics.QuantileCustom(terms, share, QuantileDefinition.EmpiricalInvCDF);
        return [("least", At(0)), ("10%", At(0.1)), ("25%", At(0.25)), ("median", At(0.5)), ("75%", At(0.75)),
            ("90%", At(0.9)), ("95%", At(0.95)), ("99%", At(0.99)), ("most", At(1))];
    }

    private static SweepFinding[] Of(IEnumerable<SweepCase> cases, int backend, CheckModes mode)
        => [.. cases.SelectMany(of => of.Outcomes[backend].Findings).Where(finding => finding.Mode == mode)];

    private static double WorstOf(SweepFinding[] findings) => findings.Select(finding => finding.Worst).DefaultIfEmpty()
        .Max();

    private static string Figure(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);

    private static object Document(List<SweepCase> cases, string[] backends, string[] alarms) => new
    {
        cases = cases.Count,
        firstSeed = cases[0].Seed,
        longSums = cases.Count(of => of.Terms > RandomCases.LongSum),
        falseAlarms = alarms,
        terms = Quantiles(cases).ToDictionary(quantile => quantile.Name, quantile => quantile.Terms),
        backends = backends.Select((name, i) =>
        {
            SweepFinding[] exact = Of(cases, i, CheckModes.Exact), real = Of(cases, i, CheckModes.Real);
            return new
            {
                name,
                exactCases = exact.Length,
                values = exact.Concat(real).Sum(f => f.Elements),
                wrongExact = exact.Sum(f => f.Failed),
                wrongReal = real.Sum(f => f.Failed),
                suspects = real.Sum(f => f.Suspects),
                falseAlarms = cases.Count(of => of.Outcomes[i].Verdict != Verdict.Pass),
                worstInBounds = WorstOf(real),
                byKind = cases.GroupBy(of => of.Kind)
                    .ToDictionary(kind => kind.Key, kind => WorstOf(Of(kind, i, CheckModes.Real))),
            };
        }),
    };
}
