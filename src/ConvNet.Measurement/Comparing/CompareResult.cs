using System.Text.Json.Serialization;
using ConvNet.Backends;

namespace ConvNet.Measurement;

/// <summary>The result of <c>convnet compare</c>: one network, measured in turns on every backend that supports it. It
/// is also the JSON document of <c>--json</c>.</summary>
/// <param name="Model">The name of the network, as given.</param>
/// <param name="Input">The shape of an image: channels, rows, columns.</param>
/// <param name="Parameters">The number of trainable parameters.</param>
/// <param name="Machine">The machine.</param>
/// <param name="Commit">The source commit.</param>
/// <param name="Command">The command line that repeats the comparison.</param>
/// <param name="Comparisons">One comparison for each batch size.</param>
public sealed record CompareResult(
    string Model, string Input, long Parameters, MachineFacts Machine, string Commit, string Command,
        IReadOnlyList<BatchComparison> Comparisons)
{
    /// <summary>The recommendation for the first batch size.</summary>
    public Recommendation Recommendation => Comparisons[0].Recommendation;

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(CompareResult), (nameof(Model), Model),
        (nameof(Input), Input), (nameof(Parameters), Parameters), (nameof(Machine), Machine),
        (nameof(Commit), Commit), (nameof(Command), Command), (nameof(Comparisons), Comparisons));
}

/// <summary>The comparison for one batch size.</summary>
/// <param name="Batch">The batch size.</param>
/// <param name="Seconds">The duration in seconds.</param>
/// <param name="LimitSeconds">The time limit in seconds.</param>
/// <param name="Rows">The results, ordered by backend and thread count.</param>
/// <param name="Absent">The measurements that are missing, with reasons.</param>
/// <param name="Noise">Whether the machine was idle enough for reliable figures.</param>
/// <param name="Recommendation">The recommendation.</param>
public sealed record BatchComparison(
    int Batch, double Seconds, double LimitSeconds, IReadOnlyList<CompareRow> Rows, IReadOnlyList<Absence> Absent,
        Noise Noise, Recommendation Recommendation)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(BatchComparison), (nameof(Batch), Batch),
        (nameof(Seconds), Seconds), (nameof(LimitSeconds), LimitSeconds), (nameof(Rows), Rows),
        (nameof(Absent), Absent), (nameof(Noise), Noise), (nameof(Recommendation), Recommendation));
}

/// <summary>The results of one backend with one thread count.</summary>
/// <param name="Backend">The backend and its variant, for example <c>native:accurate</c>.</param>
/// <param name="Threads">The number of threads.</param>
public sealed record CompareRow(string Backend, int Threads)
{
    /// <summary>The backend library with its version and instruction set.</summary>
    public string Library { get; init; } = "";

    /// <summary>The algorithms used in training, for example <c>direct+winograd4</c>, or <c>auto</c> if the library
    /// decides.</summary>
    public string Algorithm { get; init; } = AlgorithmNames.Auto;

    /// <summary>The result of the gradient check.</summary>
    public GradientAgreement Gradients { get; init; } = GradientAgreement.NotChecked;

    /// <summary>The training speed. Null if there was no time to measure it.</summary>
    public Speed? Training { get; init; }

    /// <summary>The inference speed with the same batch size. Null if there was no time to measure it.</summary>
    public Speed? Inference { get; init; }

    /// <summary>The latency of single images.</summary>
    public Latency? Latency { get; init; }

    /// <summary>The time to the first training step. Null if there was no time to measure it.</summary>
    public FirstStep? FirstStep { get; init; }

    /// <summary>Peak memory in training, in MB, less what the process used once its libraries were loaded. Null if the
    /// system does not report it.</summary>
    public double? PeakMemoryMB { get; init; }
}

/// <summary>The speed of a pass.</summary>
/// <param name="ImagesPerSecond">Images per second.</param>
/// <param name="Ratio">The time relative to that of the fastest row with correct gradients, compared round by round. 1
/// is the fastest; 2 takes twice as long.</param>
/// <param name="MedianMs">Milliseconds per call: the median over rounds; each round contributes the median of its
/// calls.</param>
/// <param name="Rounds">The number of turns.</param>
/// <param name="Gflops">GFLOP/s, counting the operations of direct convolution. An algorithm with fewer operations may
/// exceed the peak.</param>
/// <param name="PercentOfPeak">Percentage of the FMA peak with the same thread count.</param>
/// <param name="TrafficMB">The memory traffic of a call in MB if every layer reads and writes main memory. Estimated
/// from the graph, see <see cref="CompulsoryTraffic"/>.</param>
/// <param name="PercentOfBandwidth">That traffic per time as a percentage of the memory bandwidth. Caches and fused
/// layers can raise it above 100.</param>
public sealed record Speed(
    Interval ImagesPerSecond, Interval Ratio, double MedianMs, int Rounds, double Gflops, double PercentOfPeak,
        double TrafficMB, double PercentOfBandwidth);

/// <summary>The latency of single images.</summary>
/// <param name="P50Ms">The median (50th percentile) latency.</param>
/// <param name="P99Ms">The 99th percentile latency. Null with fewer than 100 calls.</param>
/// <param name="MaxMs">The longest call.</param>
/// <param name="Calls">The number of calls.</param>
public sealed record Latency(double P50Ms, double? P99Ms, double MaxMs, int Calls);

/// <summary>The time to the first training step.</summary>
/// <param name="ColdMs">Time from the start of a new process to the end of its first step. Includes the runtime, the
/// libraries, compilation and weight initialisation.</param>
/// <param name="WarmMs">Time of compilation and first step in a process that has already run other networks.</param>
/// <param name="CompileMs">The compile time included in <paramref name="WarmMs"/>.</param>
public sealed record FirstStep(double ColdMs, double WarmMs, double CompileMs);

/// <summary>A measurement that is missing.</summary>
/// <param name="Backend">The backend and its variant.</param>
/// <param name="Threads">The thread count. Null for all thread counts.</param>
/// <param name="What">The missing measurement: <c>all</c>, <c>training</c> or <c>inference</c>.</param>
/// <param name="Reason">The reason.</param>
public sealed record Absence(string Backend, int? Threads, string What, string Reason);

/// <summary>The reliability of the figures.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<NoiseVerdict>))]
public enum NoiseVerdict
{
    /// <summary>The machine was idle and the intervals are as narrow as required.</summary>
    [JsonStringEnumMemberName("quiet")]
    Quiet,

    /// <summary>The time limit was reached before every interval was narrow enough. The intervals show the precision of
    /// the ratios.</summary>
    [JsonStringEnumMemberName("imprecise")]
    Imprecise,

    /// <summary>Other processes loaded the machine. On an idle machine the ratios may differ, even beyond their
    /// intervals.</summary>
    [JsonStringEnumMemberName("busy")]
    Busy,
}

/// <summary>The load on the machine during the measurement.</summary>
/// <param name="Verdict">The verdict.</param>
/// <param name="OtherProcessors">The average number of processors that other processes kept busy. Null if the system
/// does not report it.</param>
/// <param name="Steadiness">The median of all FMA peak measurements divided by the best one; 1 on an idle
/// machine.</param>
/// <param name="Explanation">The verdict in a sentence.</param>
public sealed record Noise(NoiseVerdict Verdict, double? OtherProcessors, double Steadiness, string Explanation);

/// <summary>The confidence in a recommendation.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Confidence>))]
public enum Confidence
{
    /// <summary>The backend is the fastest by more than the measurement error.</summary>
    [JsonStringEnumMemberName("clear")]
    Clear,

    /// <summary>Another backend is equally fast within the measurement error. The reason explains the choice.</summary>
    [JsonStringEnumMemberName("close")]
    Close,

    /// <summary>The machine was too busy for a reliable recommendation.</summary>
    [JsonStringEnumMemberName("cannotTell")]
    CannotTell,
}

/// <summary>The recommended backend.</summary>
/// <param name="Backend">The backend and its variant. Null if no backend with correct gradients was measured.</param>
/// <param name="Threads">The thread count.</param>
/// <param name="Confidence">The confidence.</param>
/// <param name="Reason">The reason, with figures.</param>
/// <param name="Sentence">The recommendation as a sentence.</param>
public sealed record Recommendation(string? Backend, int? Threads, Confidence Confidence, string Reason,
    string Sentence);
