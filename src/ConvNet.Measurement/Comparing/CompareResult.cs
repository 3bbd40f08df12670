using System.Text.Json.Serialization;

namespace ConvNet.Measurement;

/// <summary>What <c>convnet compare</c> found: one network on every backend that can run it, measured in turns. It is
/// the document of <c>--json</c>.</summary>
/// <param name="Model">The network, as it was named.</param>
/// <param name="Input">Channels, rows and columns of an image.</param>
/// <param name="Parameters">Trainable values of the network.</param>
/// <param name="Machine">Where it was measured.</param>
/// <param name="Commit">The commit of the source.</param>
/// <param name="Command">The command line that measures it again.</param>
/// <param name="Comparisons">One for each batch size.</param>
public sealed record CompareResult(
    string Model, string Input, long Parameters, MachineFacts Machine, string Commit, string Command,
        IReadOnlyList<BatchComparison> Comparisons)
{
    /// <summary>What to take, for the first batch size.</summary>
    public Recommendation Recommendation => Comparisons[0].Recommendation;

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(CompareResult), (nameof(Model), Model),
        (nameof(Input), Input), (nameof(Parameters), Parameters), (nameof(Machine), Machine),
        (nameof(Commit), Commit), (nameof(Command), Command), (nameof(Comparisons), Comparisons));
}

/// <summary>The machine, and what it does at most.</summary>
/// <param name="Processor">The processor's name.</param>
/// <param name="Processors">Logical processors.</param>
/// <param name="System">The operating system.</param>
/// <param name="Runtime">The version of .NET.</param>
/// <param name="Peaks">The FMA peak for each number of threads.</param>
/// <param name="MemoryGBs">The memory rate with the most threads, in 10⁹ bytes per second.</param>
public sealed record MachineFacts(string Processor, int Processors, string System, string Runtime,
    IReadOnlyList<ThreadPeak> Peaks, double MemoryGBs)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(MachineFacts), (nameof(Processor), Processor),
        (nameof(Processors), Processors), (nameof(System), System), (nameof(Runtime), Runtime),
        (nameof(Peaks), Peaks), (nameof(MemoryGBs), MemoryGBs));
}

/// <summary>The FMA peak of some threads.</summary>
/// <param name="Threads">The threads.</param>
/// <param name="Gflops">10⁹ operations per second, two for each multiply-add.</param>
public sealed record ThreadPeak(int Threads, double Gflops);

/// <summary>The backends side by side at one batch size.</summary>
/// <param name="Batch">Images in a batch.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="LimitSeconds">How long it might take.</param>
/// <param name="Rows">What was measured, in the order of the backends and of the threads.</param>
/// <param name="Absent">What was not, and why.</param>
/// <param name="Noise">Whether the machine was quiet enough.</param>
/// <param name="Recommendation">What to take.</param>
public sealed record BatchComparison(
    int Batch, double Seconds, double LimitSeconds, IReadOnlyList<CompareRow> Rows, IReadOnlyList<Absence> Absent,
        Noise Noise, Recommendation Recommendation)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(BatchComparison), (nameof(Batch), Batch),
        (nameof(Seconds), Seconds), (nameof(LimitSeconds), LimitSeconds), (nameof(Rows), Rows),
        (nameof(Absent), Absent), (nameof(Noise), Noise), (nameof(Recommendation), Recommendation));
}

/// <summary>One backend with one number of threads.</summary>
/// <param name="Backend">The backend with its variant, as <c>native:accurate</c>.</param>
/// <param name="Threads">Threads that compute.</param>
public sealed record CompareRow(string Backend, int Threads)
{
    /// <summary>What computes, with its version and instruction set.</summary>
    public string Library { get; init; } = "";

    /// <summary>The algorithms that training takes, as <c>direct+winograd4</c>; <c>auto</c> where a library decides by
    /// itself.</summary>
    public string Algorithm { get; init; } = AlgorithmNames.Auto;

    /// <summary>Whether its gradients are right.</summary>
    public GradientAgreement Gradients { get; init; } = GradientAgreement.NotChecked;

    /// <summary>Training steps; null where there was no time for one.</summary>
    public Speed? Training { get; init; }

    /// <summary>Inference with the same batch; null where there was no time for it.</summary>
    public Speed? Inference { get; init; }

    /// <summary>Inference of single images.</summary>
    public Latency? Latency { get; init; }

    /// <summary>How long until training begins; null where there was no time for it.</summary>
    public FirstStep? FirstStep { get; init; }

    /// <summary>Peak of memory in training in 10⁶ bytes, beyond what the process has with its libraries loaded; null
    /// where the system does not tell.</summary>
    public double? PeakMemoryMB { get; init; }
}

/// <summary>A figure with the interval in which the true one lies in 95 of 100 runs.</summary>
/// <param name="Value">The figure: a median over rounds.</param>
/// <param name="Low">The lower end; null where there was one round only, which tells nothing about its error.</param>
/// <param name="High">The upper end.</param>
public sealed record Interval(double Value, double? Low, double? High)
{
    /// <summary>Its width relative to the figure, as the logarithm of the ratio of its ends; null where it has
    /// none.</summary>
    public double? Width => Low is { } low && High is { } high ? Math.Log(high / low) : null;
}

/// <summary>How fast one pass is.</summary>
/// <param name="ImagesPerSecond">Images in a second.</param>
/// <param name="Ratio">The time over that of the fastest row whose gradients are right, round by round: 1 is the
/// fastest, 2 takes twice as long.</param>
/// <param name="MedianMs">Milliseconds of a call: the median over rounds of the median over a turn's calls.</param>
/// <param name="Rounds">Turns that were taken.</param>
/// <param name="Gflops">10⁹ operations per second: multiply-adds of direct sums, so that an algorithm with fewer may
/// come above the peak.</param>
/// <param name="PercentOfPeak">The same in percent of the FMA peak with as many threads.</param>
/// <param name="TrafficMB">10⁶ bytes that a call must move at least if every layer reads and writes memory; an estimate
/// from the graph, see <see cref="CompulsoryTraffic"/>.</param>
/// <param name="PercentOfBandwidth">That traffic over the time, in percent of the memory rate: above 100 where caches
/// and fused layers save it.</param>
public sealed record Speed(
    Interval ImagesPerSecond, Interval Ratio, double MedianMs, int Rounds, double Gflops, double PercentOfPeak,
        double TrafficMB, double PercentOfBandwidth);

/// <summary>How long a single image takes.</summary>
/// <param name="P50Ms">Half of the calls took at most this long.</param>
/// <param name="P99Ms">99 of 100 calls did; null with fewer than 100 calls.</param>
/// <param name="MaxMs">The longest call.</param>
/// <param name="Calls">Calls that were timed, one by one.</param>
public sealed record Latency(double P50Ms, double? P99Ms, double MaxMs, int Calls);

/// <summary>How long it takes until training begins.</summary>
/// <param name="ColdMs">From the start of a process to the end of its first training step: runtime, libraries,
/// compilation, initial weights, the step.</param>
/// <param name="WarmMs">In a process that has run other networks: compilation and the first step.</param>
/// <param name="CompileMs">Of that, the compilation of the graph.</param>
public sealed record FirstStep(double ColdMs, double WarmMs, double CompileMs);

/// <summary>What a gradient check says of a backend.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<GradientVerdict>))]
public enum GradientVerdict
{
    /// <summary>Nothing.</summary>
    [JsonStringEnumMemberName("notChecked")]
    NotChecked,

    /// <summary>Every value is right.</summary>
    [JsonStringEnumMemberName("right")]
    Right,

    /// <summary>Some value is further off than rounding probably explains, none further than it possibly
    /// does.</summary>
    [JsonStringEnumMemberName("suspect")]
    Suspect,

    /// <summary>Some value is wrong.</summary>
    [JsonStringEnumMemberName("wrong")]
    Wrong,
}

/// <summary>The outcome of a quick gradient check against the double reference.</summary>
/// <param name="Verdict">The verdict.</param>
/// <param name="Checked">Values that were compared.</param>
/// <param name="Failed">Values that are wrong.</param>
/// <param name="Detail">The worst finding in words, or what was checked.</param>
public sealed record GradientAgreement(GradientVerdict Verdict, long Checked, long Failed, string Detail)
{
    /// <summary>No check was made.</summary>
    public static GradientAgreement NotChecked { get; } = new(GradientVerdict.NotChecked, 0, 0, "");
}

/// <summary>What was not measured.</summary>
/// <param name="Backend">The backend with its variant.</param>
/// <param name="Threads">Its threads; null for any number.</param>
/// <param name="What">What is missing: <c>all</c>, <c>training</c> or <c>inference</c>.</param>
/// <param name="Reason">Why.</param>
public sealed record Absence(string Backend, int? Threads, string What, string Reason);

/// <summary>Whether figures can be trusted.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<NoiseVerdict>))]
public enum NoiseVerdict
{
    /// <summary>The machine was quiet and the intervals are as narrow as they should be.</summary>
    [JsonStringEnumMemberName("quiet")]
    Quiet,

    /// <summary>The time was over before every interval was narrow enough: they say how far the ratios are
    /// known.</summary>
    [JsonStringEnumMemberName("imprecise")]
    Imprecise,

    /// <summary>Others computed on this machine meanwhile: the ratios may be others on a quiet one, whatever the
    /// intervals say.</summary>
    [JsonStringEnumMemberName("busy")]
    Busy,
}

/// <summary>How quiet the machine was while turns were taken.</summary>
/// <param name="Verdict">The verdict.</param>
/// <param name="OtherProcessors">Processors that others kept busy on average; null where the system does not
/// tell.</param>
/// <param name="Steadiness">The median of all measurements of the FMA peak over the best: 1 on a quiet machine.</param>
/// <param name="Explanation">The verdict in a sentence.</param>
public sealed record Noise(NoiseVerdict Verdict, double? OtherProcessors, double Steadiness, string Explanation);

/// <summary>How sure a recommendation is.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Confidence>))]
public enum Confidence
{
    /// <summary>It is the fastest, beyond the error of the measurement.</summary>
    [JsonStringEnumMemberName("clear")]
    Clear,

    /// <summary>Another is as fast as far as the measurement can tell; what decided is in the reason.</summary>
    [JsonStringEnumMemberName("close")]
    Close,

    /// <summary>The machine was too busy to tell.</summary>
    [JsonStringEnumMemberName("cannotTell")]
    CannotTell,
}

/// <summary>What to take.</summary>
/// <param name="Backend">The backend with its variant; null where none was measured whose gradients are right.</param>
/// <param name="Threads">Its threads.</param>
/// <param name="Confidence">How sure that is.</param>
/// <param name="Reason">Why, with figures.</param>
/// <param name="Sentence">All of it in one sentence.</param>
public sealed record Recommendation(string? Backend, int? Threads, Confidence Confidence, string Reason,
    string Sentence);
