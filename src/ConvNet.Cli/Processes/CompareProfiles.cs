using ConvNet.Measurement;
using ConvNet.Measurement.Workers;
using ConvNet.Reports.Pages;

namespace ConvNet.Cli;

/// <summary>Profiles the compared backends for the report page. This happens after the comparison, so that it does not
/// affect its figures.</summary>
internal static class CompareProfiles
{
    private const double Milliseconds = 500;

    // Slower backends would need too long for a few steps.
    private const double LongestStepMs = 500;

    /// <summary>Profiles a training step with the first batch size and the highest thread count on each backend that
    /// supports profiling and is fast enough.</summary>
    /// <param name="result">The comparison.</param>
    /// <param name="input">The shape of the images. Null selects the default of the model.</param>
    /// <param name="start">Starts the worker of a backend.</param>
    /// <param name="progress">Receives a line when a backend starts.</param>
    /// <exception cref="WorkerException">A worker ended unexpectedly.</exception>
    public static IReadOnlyList<ProfiledRun> Measure(CompareResult result, string? input, Func<string, IWorker> start,
        Action<string> progress)
    {
        BatchComparison comparison = result.Comparisons[0];
        var roofline = new Roofline(result.Machine.Peaks.MaxBy(peak => peak.Threads)!.Gflops, result.Machine.MemoryGBs);
        int threads = comparison.Rows.Max(row => row.Threads);
        return
        [
            .. from row in comparison.Rows
               where row.Threads == threads && Profiles.SupportedBy(row.Backend) && row.Training
                   is { MedianMs: <= LongestStepMs }
               select Profile(row.Backend, new Request(Order.Prepare)
               {
                   Model = result.Model,
                   Input = input,
                   Batch = comparison.Batch,
                   Pass = BenchPass.Train.Word(),
                   Threads = threads,
               }),
        ];

        ProfiledRun Profile(string backend, Request prepare)
        {
            progress($"{backend}: profiling");
            using IWorker worker = start(backend);
            worker.Get(prepare);
            return new ProfiledRun($"{backend}, training with batches of {prepare.Batch}, {threads} "
                + $"{(threads == 1 ? "thread" : "threads")}",
                worker.Get(new Request(Order.Profile) { Milliseconds = Milliseconds }).Profile!, roofline);
        }
    }
}
