using ConvNet.Measurement;
using static System.FormattableString;

namespace ConvNet.Reports.Pages;

/// <summary>The page of <c>convnet bench</c>: bars for each case, the ratios with their ranges, layers under the
/// roofline, and all figures.</summary>
public static class BenchPage
{
    /// <summary>Creates the page of a benchmark run.</summary>
    /// <param name="result">The benchmark result.</param>
    /// <param name="origin">How the figures were measured.</param>
    /// <param name="document">The document of <c>--json</c>.</param>
    public static Page Of(BenchResult result, Origin origin, object document)
    {
        ArgumentNullException.ThrowIfNull(result);
        ArgumentNullException.ThrowIfNull(origin);
        string[] titles = [.. result.Rows.Select(row => row.Case.Title).Distinct()];
        return new Page(titles.Length > 3 ? $"Benchmark of {titles.Length} cases"
            : $"Benchmark of {string.Join(", ", titles)}", Lead(result),
        [
            .. result.SelfTestWarnings.Select(sentence => new Note(sentence, IsWarning: true)),
            .. Disturbance(result.Steadiness, result.WasDisturbed),
            .. Networks(result),
            .. Layers(result),
            .. Ratios(result),
            .. result.Rows.Where(row => row.Profile is not null)
                .Select(row => new ProfiledRun($"{row.Backend}, {Name(row.Case)}", row.Profile!,
                result.RooflineOf(row.Case)).Section),
            new Section("All figures",
                [Table(result),
                .. result.Skipped.Select(
                skip => new Note($"{Name(skip.Case)}: skipped {skip.Backend}: {skip.Reason}"))]),
            new Section("Machine and versions", [origin.With(
                [.. result.Peaks.OrderBy(peak => peak.Key)
                    .Select(peak
                    => new Fact($"FMA peak, {Number.Threads(peak.Key)}", $"{Number.Text(peak.Value)} GFLOP/s")),
                    new Fact("Memory bandwidth", $"{Number.Text(result.MemoryGBs)} GB/s"),
                        .. result.Libraries.Select(library => new Fact(library.Key, library.Value))])]),
            new RawData(document),
        ]);
    }

    /// <summary>Returns a warning if other processes loaded the machine.</summary>
    internal static IEnumerable<Block> Disturbance(double steadiness, bool wasDisturbed) => wasDisturbed
        ? [new Note(Invariant($"The machine was not idle: its median FMA peak was {100 * steadiness:0}% of the best. ")
            + "Rely on the ratios rather than on absolute figures.", IsWarning: true)]
        : [];

    private static string Lead(BenchResult result)
    {
        IEnumerable<string> sentences = result.Ratios.GroupBy(ratio => (ratio.Backend, ratio.Rival))
            .Select(of => of.Count() == 1
            ? $"{of.Key.Backend} is {Number.Text(of.Single().Value)} times as fast as {of.Key.Rival}."
            : $"Over {of.Count()} cases, {of.Key.Backend} is "
                + $"{Number.Text(Statistics.GeometricMean(of.Select(ratio => ratio.Value)))} times as fast as "
                + $"{of.Key.Rival} (geometric mean).");
        return string.Join(" ",
            sentences.DefaultIfEmpty(
            $"{string.Join(", ", result.Rows.Select(row => row.Backend).Distinct())} on {Machine.Processor}."));
    }

    private static IEnumerable<Block> Networks(BenchResult result)
    {
        Row[] rows = [.. result.Rows.Where(row => row.Case.Shape is null)];
        if (rows.Length == 0)
            yield break;
        yield return new Section("Networks",
        [
            .. from of in rows.GroupBy(row => (row.Case.Model, row.Case.Pass))
               let what = of.Key.Pass == BenchPass.Train ? "training" : "inference"
               select Bars(of, $"{of.Key.Model}, {what}, images/s", "Images per second of each backend, from the "
                   + "median of its turns. Longer is faster.", "images/s",
                   of => $"batch {of.Batch}, {Number.Threads(of.Threads)}", row => row.ImagesPerSecond),
        ]);
    }

    private static IEnumerable<Block> Layers(BenchResult result)
    {
        Row[] rows = [.. result.Rows.Where(row => row.Case.Shape is not null)];
        if (rows.Length == 0)
            yield break;
        yield return new Section("Layers",
        [
            .. from of in rows.GroupBy(row => row.Case.Pass)
               select Bars(of, $"{of.Key.Word()}, % of the FMA peak", "Performance as a percentage of the FMA "
                   + "peak with the same thread count. Winograd algorithms may exceed 100.", "% of the FMA peak",
                   of => $"{of.Title}, {Number.Threads(of.Threads)}", row => row.PercentOfPeak),
            .. from of in rows.Where(row => row.Gflops > 0 && row.Case.Threads == rows.Max(other => other.Case.Threads))
                .GroupBy(row => row.Backend)
               select Roofline(of.Key, [.. of], result),
        ]);
    }

    private static BarChart Bars(IEnumerable<Row> rows, string title, string description, string unit,
        Func<Case, string> nameOf, Func<Row, double> figure)
        => new(title, description, unit,
            [.. rows.GroupBy(row => row.Case)
            .Select(of => new BarGroup(nameOf(of.Key), [.. of.Select(row => new Bar(row.Backend, figure(row)))]))]);

    private static RooflineChart Roofline(string backend, Row[] rows, BenchResult result) => new(
        $"{backend}: layers under the roofline, {Number.Threads(rows[0].Case.Threads)}",
        "The performance of each layer against its operations per byte if each tensor is moved once. Layers below "
            + "the slope are limited by memory bandwidth, layers below the flat roof by arithmetic.",
        result.RooflineOf(rows[0].Case),
        [.. rows.Select(row => new RooflinePoint(row.Case.Title, row.Case.Pass.Word(), row.Case.Shape!.Operations
            / row.Case.Shape.MinTrafficBytes, row.Gflops, row.MedianMs / rows.Sum(other => other.MedianMs)))]);

    private static IEnumerable<Block> Ratios(BenchResult result)
    {
        if (result.Ratios.Count == 0)
            yield break;
        yield return new Section("Ratios",
        [
            .. from of in result.Ratios.GroupBy(ratio => (ratio.Backend, ratio.Rival))
               select new BarChart($"{of.Key.Backend} against {of.Key.Rival}",
                   $"The speed of {of.Key.Backend} relative to {of.Key.Rival}: the median, minimum and maximum over "
                       + "rounds. Values below 1 are slower.",
                   "times as fast",
                       [.. of.Select(ratio => new BarGroup(Name(ratio.Case),
                       [new Bar($"{ratio.Backend} / {ratio.Rival}", ratio.Value, ratio.Low, ratio.High)]))])
               {
                   AreRatios = true,
               },
        ]);
    }

    private static DataTable Table(BenchResult result) => new("Medians over the turns",
        [new("case"), new("batch", true), new("pass"), new("threads", true), new("backend"), new("algorithm"),
            new("median ms", true), new("min ms", true), new("GFLOP/s", true),
            new("% of peak", true), new("images/s", true), new("memory, MB", true)],
        [.. result.Rows.Select(row => (string[])[row.Case.Title, $"{row.Case.Batch}", row.Case.Pass.Word(),
            $"{row.Case.Threads}", row.Backend, row.Algorithm, Number.Text(row.MedianMs),
            Number.Text(row.MinMs), Number.Text(row.Gflops), Invariant($"{row.PercentOfPeak:0.0}"),
                Number.Text(row.ImagesPerSecond), Number.Text(row.PeakMemoryMB)])]);

    private static string Name(Case of) => $"{of.Title}, batch {of.Batch}, {of.Pass.Word()}, "
        + $"{Number.Threads(of.Threads)}";
}
