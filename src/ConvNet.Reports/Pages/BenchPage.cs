using ConvNet.Measurement;
using static System.FormattableString;

namespace ConvNet.Reports.Pages;

/// <summary>The page of <c>convnet bench</c>: bars of the cases, the ratios with their intervals, layers under the
/// roof, and all rows.</summary>
public static class BenchPage
{
    /// <summary>The page of a measurement.</summary>
    /// <param name="result">What was measured.</param>
    /// <param name="origin">Where and how.</param>
    /// <param name="document">The document of <c>--json</c>.</param>
    public static Page Of(BenchResult result, Origin origin, object document)
    {
        ArgumentNullException.ThrowIfNull(result);
        ArgumentNullException.ThrowIfNull(origin);
        string[] titles = [.. result.Rows.Select(row => row.Case.Title).Distinct()];
        return new Page(titles.Length > 3 ? $"Benchmark of {titles.Length} cases"
            : $"Benchmark of {string.Join(", ", titles)}", Lead(result),
        [
            .. result.Distrust.Select(sentence => new Note(sentence, IsWarning: true)),
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
                skip => new Note($"{Name(skip.Case)} without {skip.Backend}: {skip.Reason}"))]),
            new Section("Machine and versions", [origin.With(
                [.. result.Peaks.OrderBy(peak => peak.Key)
                    .Select(peak
                    => new Fact($"FMA peak, {Number.Threads(peak.Key)}", $"{Number.Text(peak.Value)} GFLOP/s")),
                    new Fact("Memory rate", $"{Number.Text(result.MemoryGBs)} GB/s"),
                        .. result.Libraries.Select(library => new Fact(library.Key, library.Value))])]),
            new RawData(document),
        ]);
    }

    /// <summary>A warning where others computed meanwhile.</summary>
    internal static IEnumerable<Block> Disturbance(double steadiness, bool wasDisturbed) => wasDisturbed
        ? [new Note(Invariant($"The machine was busy with other things: half of the time its peak was below ")
            + Invariant($"{100 * steadiness:0}% of the best. Trust the ratios, not the figures."), IsWarning: true)]
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
               select Bars(of, $"{of.Key.Model}, {what}, images/s", "Images per second of every backend, by the "
                   + "median of its turns; longer is faster.", "images/s",
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
               select Bars(of, $"{of.Key.Word()}, % of the FMA peak", "Operations per second in percent of the "
                   + "processor's peak with as many threads; Winograd's algorithms may pass 100.", "% of the FMA peak",
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
        "What every layer reaches, against its operations per byte where each of its tensors is moved once. Below the "
            + "slope the memory is the limit, below the flat roof the arithmetic.",
        result.RooflineOf(rows[0].Case),
        [.. rows.Select(row => new RooflinePoint(row.Case.Title, row.Case.Pass.Word(), row.Case.Shape!.Operations
            / row.Case.Shape.LeastBytes, row.Gflops, row.MedianMs / rows.Sum(other => other.MedianMs)))]);

    private static IEnumerable<Block> Ratios(BenchResult result)
    {
        if (result.Ratios.Count == 0)
            yield break;
        yield return new Section("Ratios",
        [
            .. from of in result.Ratios.GroupBy(ratio => (ratio.Backend, ratio.Rival))
               select new BarChart($"{of.Key.Backend} against {of.Key.Rival}",
                   $"How many times as fast {of.Key.Backend} is as {of.Key.Rival}: the median over rounds in which "
                       + "both had a turn, and the least and the greatest of them. Left of 1 it is slower.",
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
