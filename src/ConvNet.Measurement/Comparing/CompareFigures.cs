namespace ConvNet.Measurement;

/// <summary>Computes the figures of a comparison from its turns.</summary>
internal sealed class CompareFigures(Graph graph, int batch, MachineMeter machine)
{
    // With fewer calls, the 99th percentile equals the maximum.
    private const int MinCallsForP99 = 100;

    /// <summary>Returns the speed of a pass. Null if it had no turn.</summary>
    public Speed? SpeedOf(CompareEntry entry, PairedRounds<CompareEntry> rounds, double operations, bool isTraining)
    {
        if (!rounds.Measured.Contains(entry))
            return null;
        Interval time = Statistics.IntervalOfMedian([.. rounds.TimesOf(entry)]);
        double gflops = operations / time.Value / 1e6, bytes = CompulsoryTraffic.Bytes(graph, batch, isTraining);
        return new Speed(
            new Interval(ImagesPerSecond(time.Value), time.High is { } high ? ImagesPerSecond(high) : null,
                time.Low is { } low ? ImagesPerSecond(low) : null),
            rounds.Ratio(entry, rounds.Best!), time.Value, rounds.TimesOf(entry).Count, gflops,
                100 * gflops / machine.Peaks[entry.Threads],
            bytes / 1e6, 100 * bytes / (time.Value * 1e6) / machine.MemoryGBs);
    }

    /// <summary>Returns the latency of single images. Null if none was measured.</summary>
    public static Latency? LatencyOf(IReadOnlyCollection<double> calls) => calls.Count == 0 ? null : new Latency(
        Statistics.Quantile(calls, 0.5), calls.Count >= MinCallsForP99 ? Statistics.Quantile(calls, 0.99) : null,
            calls.Max(), calls.Count);

    private double ImagesPerSecond(double milliseconds) => batch / milliseconds * 1e3;
}
