using ConvNet.Measurement;
using ConvNet.Measurement.Workers;
using ConvNet.Reports.Pages;

namespace ConvNet.Cli;

/// <summary>Where the time of the compared backends goes, for the page: a look of its own behind the comparison, so
/// that it disturbs none of its figures.</summary>
internal static class CompareProfiles
{
    private const double Milliseconds = 500;

    // A page is not worth the wait for the few steps of a backend that takes longer.
    private const double LongestStepMs = 500;

    /// <summary>Profiles a training step, with the first batch size and the most threads, on each backend that tells
    /// and is not too slow.</summary>
    /// <param name="result">The comparison.</param>
    /// <param name="input">The images' shape where it is not the model's own.</param>
    /// <param name="start">Starts the worker of a backend.</param>
    /// <param name="progress">Gets a line when a backend begins.</param>
    /// <exception cref="WorkerException">A worker died.</exception>
    public static IReadOnlyList<ProfiledRun> Measure(CompareResult result, string? input, Func<string, IWorker> start,
        Action<string> progress)
    {
        BatchComparison comparison = result.Comparisons[0];
        var roofline = new Roofline(result.Machine.Peaks.MaxBy(peak => peak.Threads)!.Gflops, result.Machine.MemoryGBs);
        int threads = comparison.Rows.Max(row => row.Threads);
        return
        [
            .. from row in comparison.Rows
               where row.Threads == threads && Profiles.AreOf(row.Backend) && row.Training
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
            progress($"{backend}: where the time goes");
            using IWorker worker = start(backend);
            worker.Get(prepare);
            return new ProfiledRun($"{backend}, training with batches of {prepare.Batch}, {threads} "
                + $"{(threads == 1 ? "thread" : "threads")}",
                worker.Get(new Request(Order.Profile) { Milliseconds = Milliseconds }).Profile!, roofline);
        }
    }
}
