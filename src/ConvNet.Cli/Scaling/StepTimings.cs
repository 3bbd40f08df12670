using System.Diagnostics;

namespace ConvNet.Cli.Scaling;

/// <summary>A bucket of gradients in a training step.</summary>
/// <param name="Bytes">Its size.</param>
/// <param name="Ready">The time from the beginning of the step until it is final, in seconds.</param>
internal sealed record TimedBucket(long Bytes, double Ready);

/// <summary>The time of a training step in one process, and when its gradients are final.</summary>
/// <param name="Step">The time of the step in seconds.</param>
/// <param name="Buckets">The buckets in the order in which they are final.</param>
internal sealed record StepTimings(double Step, IReadOnlyList<TimedBucket> Buckets)
{
    private const float LearningRate = 1e-20f, Momentum = 0.9f;
    private const int FirstBucketBytes = 1 << 20, WarmUp = 2, MinSteps = 5, MostSteps = 50;

    private static readonly TimeSpan s_enough = TimeSpan.FromSeconds(3);

    /// <summary>Returns the timings on a machine that is faster by a factor.</summary>
    public StepTimings Faster(double factor) => new(Step / factor,
        [.. Buckets.Select(bucket => bucket with { Ready = bucket.Ready / factor })]);

    /// <summary>How the network is trained while it is measured. The learning rate hardly changes the
    /// weights.</summary>
    public static TrainingSpec SpecFor(Graph graph, int batch)
        => new(batch, new SoftmaxCrossEntropy(PerPixel: graph.Output.Shape.Area > 1), new Sgd(Momentum))
        {
            FirstGradientBucketBytes = FirstBucketBytes,
        };

    /// <summary>Measures steps, and returns the one of median time.</summary>
    /// <param name="backend">The backend.</param>
    /// <param name="graph">The network.</param>
    /// <param name="batch">The number of images.</param>
    /// <param name="before">Called before each step; several ranks begin steps together.</param>
    /// <param name="count">The number of steps after those that warm up; null for as many as take some seconds.</param>
    /// <param name="cancellation">Cancels the measurement between two steps.</param>
    public static StepTimings Measure(IBackend backend, Graph graph, int batch, Action? before, int? count,
        CancellationToken cancellation)
    {
        using IExecutable network = backend.Compile(graph, SpecFor(graph, batch));
        var buckets = new List<TimedBucket>();
        long start = 0;
        network.GradientReady = bucket => buckets.Add(new TimedBucket(sizeof(float) * (long)bucket.Values.Length,
            Stopwatch.GetElapsedTime(start).TotalSeconds));
        StepTimings[] steps = [.. Steps(network, batch, () =>
        {
            before?.Invoke();
            buckets.Clear();
            start = Stopwatch.GetTimestamp();
        }, count, cancellation).Select(seconds => new StepTimings(seconds, [.. buckets]))];
        return steps.OrderBy(step => step.Step).ElementAt(steps.Length / 2);
    }

    /// <summary>Returns the time of one step after the other, in seconds.</summary>
    /// <param name="network">The executable.</param>
    /// <param name="batch">The number of images of its batches.</param>
    /// <param name="before">Called before each step.</param>
    /// <param name="count">The number of steps after those that warm up; null for as many as take some seconds.</param>
    /// <param name="cancellation">Cancels the measurement between two steps.</param>
    public static IEnumerable<double> Steps(IExecutable network, int batch, Action before, int? count,
        CancellationToken cancellation)
    {
        Graph graph = network.Graph;
        network.Initialize(new HeNormal(1));
        var random = new Random(1);
        float[] images = [.. Enumerable.Range(0, batch * graph.Input.Shape.Length)
            .Select(_ => random.NextSingle() - 0.5f)];
        int[] labels = [.. Enumerable.Range(0, batch * network.Spec!.Losses[0].Loss.TargetsPerSample(
            graph.Output.Shape)).Select(_ => random.Next(graph.Output.Shape.C))];
        long all = Stopwatch.GetTimestamp();
        for (int step = -WarmUp; step < (count ?? MostSteps); step++)
        {
            cancellation.ThrowIfCancellationRequested();
            before();
            long start = Stopwatch.GetTimestamp();
            network.TrainStep(images, labels, LearningRate);
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (step >= 0)
                yield return seconds;
            if (count is null && step >= MinSteps && Stopwatch.GetElapsedTime(all) > s_enough)
                yield break;
        }
    }
}
