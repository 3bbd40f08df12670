using System.Globalization;
using ConvNet.Measurement;
using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>Formats benchmark results as tables and as a JSON document.</summary>
internal static class BenchTables
{
    /// <summary>Writes the peak, a row for each case and backend with the ratios, and the skipped cases.</summary>
    public static void Write(IAnsiConsole people, BenchResult result)
    {
        people.WriteLine(Machine.Processor);
        string peaks = string.Join(", ", result.Peaks.OrderBy(peak => peak.Key)
            .Select(peak => $"{peak.Value:0.0} GFLOP/s on {Threads(peak.Key)}"));
        people.WriteLine($"FMA peak {peaks}; memory {result.MemoryGBs:0.0} GB/s");
        if (result.WasDisturbed)
            people.WriteLine($"The machine was not idle: its median FMA peak was {100 * result.Steadiness:0}% "
                + "of the best. Rely on the ratios rather than on absolute figures.");
        foreach (string sentence in result.SelfTestWarnings)
            people.WriteLine(sentence);
        string[] rivals = [.. result.Ratios.Select(ratio => ratio.Rival).Distinct()];
        var table = new TextTable(4, ["case", "pass", TableHead.Figure("threads"), "backend",
            TableHead.Figure("batch"), "algorithm",
            .. TableHead.Figures("median ms", "min ms", "GFLOP/s", "% of peak", "images/s", "memory MB"),
            .. rivals.Select(rival => TableHead.Figure($"× {rival}"))]);
        foreach (Row row in result.Rows)
        {
            IEnumerable<string> ratios =
                rivals.Select(rival => result.Ratios.FirstOrDefault(ratio => ratio.Case == row.Case && ratio.Backend
                == row.Backend && ratio.Rival == rival))
                .Select(ratio => ratio is null ? "" : $"{ratio.Value:0.00}");
            table.Add([row.Case.Title, row.Case.Pass.Word(), $"{row.Case.Threads}", row.Backend, $"{row.Case.Batch}",
                row.Algorithm, $"{row.MedianMs:0.0000}", $"{row.MinMs:0.0000}",
                $"{row.Gflops:0.0}", $"{row.PercentOfPeak:0.0}", $"{row.ImagesPerSecond:0}",
                    row.PeakMemoryMB is { } memory ? $"{memory:0.0}" : "", .. ratios]);
        }
        people.Write(table);
        foreach (Skip skip in result.Skipped)
            people.WriteLine($"{skip.Case.Title} {skip.Case.Pass.Word()}: skipped {skip.Backend}: {skip.Reason}");
        WriteChoices(people, [.. result.Choices]);
        foreach (Row row in result.Rows.Where(row => row.Profile is not null))
            ProfileTable.Write(people, ProfileTitle(row), row.Profile!, result.RooflineOf(row.Case));
    }

    /// <summary>Formats the title of a profile, for example <c>lenet5, batch 64, train, native, 2
    /// threads</c>.</summary>
    public static string ProfileTitle(Row row) => $"{row.Case.Title}, batch {row.Case.Batch}, {row.Case.Pass.Word()}, "
        + $"{row.Backend}, {Threads(row.Case.Threads)}";

    private static void WriteChoices(IAnsiConsole people, AlgorithmChoice[] choices)
    {
        if (choices.Length == 0)
            return;
        foreach (AlgorithmChoice choice in choices.Where(choice => !choice.IsGood)
            .OrderByDescending(choice => choice.Ratio))
            people.WriteLine($"{choice.Case.Title} {choice.Case.Pass.Word()}, {Threads(choice.Case.Threads)}: "
                + $"{choice.Taken} takes {choice.Ratio:0.00} times as long as {choice.Best}");
        int shapes = choices.Select(choice => choice.Case.Shape).Distinct().Count();
        int good = choices.GroupBy(choice => choice.Case.Shape).Count(of => of.All(choice => choice.IsGood));
        people.WriteLine($"auto is within 10% of the best in {choices.Count(choice => choice.IsGood)} of "
            + $"{choices.Length} cases; in all passes on {good} of {shapes} shapes");
    }

    /// <summary>Returns the JSON document of <c>--json</c>.</summary>
    public static object Document(BenchResult result) => new
    {
        processor = Machine.Processor,
        result.PeakGflops,
        result.MemoryGBs,
        result.Steadiness,
        peaks = result.Peaks.OrderBy(peak => peak.Key).Select(peak => new { threads = peak.Key, gflops = peak.Value }),
        libraries = result.Libraries,
        selfTests = result.SelfTests,
        rows = result.Rows.Select(row => new
        {
            shape = row.Case.Shape?.ToString(),
            row.Case.Model,
            row.Case.Batch,
            pass = row.Case.Pass.Word(),
            row.Backend,
            row.Case.Threads,
            row.Algorithm,
            row.Auto,
            row.MedianMs,
            row.MinMs,
            row.Gflops,
            row.PercentOfPeak,
            row.ImagesPerSecond,
            row.PeakMemoryMB,
            profile = row.Profile is { } profile ? ProfileTable.Document(profile, result.RooflineOf(row.Case)) : null,
        }),
        ratios = result.Ratios.Select(ratio => new
        {
            shape = ratio.Case.Shape?.ToString(),
            ratio.Case.Model,
            ratio.Case.Batch,
            pass = ratio.Case.Pass.Word(),
            ratio.Case.Threads,
            ratio.Backend,
            ratio.Rival,
            ratio = ratio.Value,
            ratio.Low,
            ratio.High,
        }),
        skipped = result.Skipped.Select(skip => new
        {
            shape = skip.Case.Shape?.ToString(),
            skip.Case.Model,
            pass = skip.Case.Pass.Word(),
            skip.Backend,
            skip.Reason
        }),
    };

    private static string Threads(int count)
        => string.Create(CultureInfo.InvariantCulture, $"{count} {(count == 1 ? "thread" : "threads")}");
}
