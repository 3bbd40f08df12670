using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConvNet.GradientChecking;
using ConvNet.Profiling;

namespace ConvNet.Measurement.Workers;

/// <summary>What a worker is told to do next.</summary>
public enum Order
{
    /// <summary>Make a workload the current one, in place of the one before.</summary>
    Prepare,

    /// <summary>Run the current workload for a while, untimed, and see how long a call takes.</summary>
    Warm,

    /// <summary>Time the current workload for a while.</summary>
    Measure,

    /// <summary>Run the current workload once, timed: its first call is not as the others.</summary>
    First,

    /// <summary>Time the current workload for a while, every call by itself.</summary>
    Latency,

    /// <summary>Check the gradients of the backend on the layers of a model; the current workload ends.</summary>
    Check,

    /// <summary>Run the self-test of the backend; the current workload ends.</summary>
    SelfTest,

    /// <summary>Measure what the processor does at most.</summary>
    Peak,

    /// <summary>Measure the memory rate.</summary>
    Memory,

    /// <summary>Run the current workload, a network, for a while and tell where its time goes.</summary>
    Profile,
}

/// <summary>A line to a worker: one flat JSON object.</summary>
/// <remarks>A worker reads lines from standard input until it ends, and answers each with one line on standard
/// output.</remarks>
/// <param name="Do">What to do.</param>
public sealed record Request([property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] Order Do)
{
    /// <summary>The descriptor of a layer; null where a model is meant.</summary>
    public string? Shape { get; init; }

    /// <summary>A model by its name.</summary>
    public string? Model { get; init; }

    /// <summary>Channels, rows and columns of an image of the model; its own where it is null.</summary>
    public string? Input { get; init; }

    /// <summary>Images in a batch of the model.</summary>
    public int Batch { get; init; }

    /// <summary>The pass by its name.</summary>
    public string? Pass { get; init; }

    /// <summary>The algorithm that is asked for.</summary>
    public string? Algorithm { get; init; }

    /// <summary>Whether less exact algorithms may be chosen, as <c>fast</c>; the backend's own default where it is
    /// null.</summary>
    public string? Precision { get; init; }

    /// <summary>The instruction set; the best one where it is null.</summary>
    public string? Isa { get; init; }

    /// <summary>The variant of torchsharp, as <c>unpadded</c>; the backend itself where it is null.</summary>
    public string? Padding { get; init; }

    /// <summary>Threads that compute.</summary>
    public int Threads { get; init; }

    /// <summary>How long to warm up, to measure or to profile; a call that takes longer ends, and is the only
    /// one.</summary>
    public double Milliseconds { get; init; }

    /// <summary>Profile: calls of which it is also told when each part ran.</summary>
    public int Spans { get; init; }
}

/// <summary>A line from a worker: what the order asked for, or why it cannot be.</summary>
public sealed record Response
{
    /// <summary>Why not; null where all went well.</summary>
    public string? Error { get; init; }

    /// <summary>Prepare: what computes, with its version.</summary>
    public string? Library { get; init; }

    /// <summary>Prepare: how it computes.</summary>
    public string? Algorithm { get; init; }

    /// <summary>Prepare: the algorithm that <c>auto</c> takes; null where there is no choice.</summary>
    public string? Auto { get; init; }

    /// <summary>Prepare: the time that compiling a model took, in milliseconds.</summary>
    public double CompileMs { get; init; }

    /// <summary>Prepare: floating-point operations of a call.</summary>
    public double Operations { get; init; }

    /// <summary>Prepare: samples of a call.</summary>
    public int Images { get; init; }

    /// <summary>Measure: the median over calls, in milliseconds.</summary>
    public double MedianMs { get; init; }

    /// <summary>Measure: the shortest call. First: the call.</summary>
    public double MinMs { get; init; }

    /// <summary>Measure: the calls.</summary>
    public int Calls { get; init; }

    /// <summary>Latency: every call, in milliseconds.</summary>
    public IReadOnlyList<double>? CallsMs { get; init; }

    /// <summary>Measure and First: the peak of resident memory since the preparation began, beyond what was resident
    /// then, in 10⁶ bytes.</summary>
    public double? PeakMemoryMB { get; init; }

    /// <summary>Check: what was found.</summary>
    public GradientAgreement? Gradients { get; init; }

    /// <summary>SelfTest: what was found.</summary>
    public SelfTestResult? SelfTest { get; init; }

    /// <summary>Peak: 10⁹ operations per second. Memory: 10⁹ bytes per second.</summary>
    public double Rate { get; init; }

    /// <summary>Profile: where the time went.</summary>
    public NetworkProfile? Profile { get; init; }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Response), (nameof(Error), Error),
        (nameof(Library), Library), (nameof(Algorithm), Algorithm), (nameof(Auto), Auto),
        (nameof(CompileMs), CompileMs), (nameof(Operations), Operations), (nameof(Images), Images),
        (nameof(MedianMs), MedianMs), (nameof(MinMs), MinMs), (nameof(Calls), Calls), (nameof(CallsMs), CallsMs),
        (nameof(PeakMemoryMB), PeakMemoryMB), (nameof(Gradients), Gradients), (nameof(SelfTest), SelfTest),
            (nameof(Rate), Rate),
        (nameof(Profile), Profile));
}

/// <summary>Lines of the protocol.</summary>
public static class Protocol
{
    private static readonly JsonSerializerOptions Form = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>A request or a response as a line.</summary>
    public static string Line<T>(T message) => JsonSerializer.Serialize(message, Form);

    /// <summary>The request or response of a line.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static T Read<T>(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(line, Form)
                ?? throw new FormatException($"No {typeof(T).Name}: {line}");
        }
        catch (JsonException error)
        {
            throw new FormatException($"No {typeof(T).Name}: {line}", error);
        }
    }
}
