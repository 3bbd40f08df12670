using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConvNet.GradientChecking;
using ConvNet.Profiling;

namespace ConvNet.Measurement.Workers;

/// <summary>The command of a request.</summary>
public enum Order
{
    /// <summary>Creates a workload, which replaces the current one.</summary>
    Prepare,

    /// <summary>Warms up the current workload and estimates the time of a call.</summary>
    Warm,

    /// <summary>Times the current workload.</summary>
    Measure,

    /// <summary>Times a single call of the current workload, because its first call differs from later ones.</summary>
    First,

    /// <summary>Times every call of the current workload separately.</summary>
    Latency,

    /// <summary>Checks the gradients of the backend on the layers of a model. Ends the current workload.</summary>
    Check,

    /// <summary>Runs the self-test of the backend. Ends the current workload.</summary>
    SelfTest,

    /// <summary>Measures the FMA peak.</summary>
    Peak,

    /// <summary>Measures the memory bandwidth.</summary>
    Memory,

    /// <summary>Profiles the current workload, which must be a network.</summary>
    Profile,
}

/// <summary>A request to a worker: one line with a flat JSON object.</summary>
/// <remarks>A worker reads requests from standard input until it is closed, and answers each with one line on standard
/// output.</remarks>
/// <param name="Do">The command.</param>
public sealed record Request([property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] Order Do)
{
    /// <summary>The descriptor of a layer. Null for a model.</summary>
    public string? Shape { get; init; }

    /// <summary>The name of a model.</summary>
    public string? Model { get; init; }

    /// <summary>The shape of an image: channels, rows, columns. Null selects the default of the model.</summary>
    public string? Input { get; init; }

    /// <summary>The batch size of the model.</summary>
    public int Batch { get; init; }

    /// <summary>The name of the pass.</summary>
    public string? Pass { get; init; }

    /// <summary>The requested algorithm.</summary>
    public string? Algorithm { get; init; }

    /// <summary>The precision, for example <c>fast</c>, which permits less accurate algorithms. Null selects the
    /// default of the backend.</summary>
    public string? Precision { get; init; }

    /// <summary>The instruction set. Null selects the best available one.</summary>
    public string? Isa { get; init; }

    /// <summary>The torchsharp variant, for example <c>unpadded</c>. Null selects the backend itself.</summary>
    public string? Padding { get; init; }

    /// <summary>The number of threads.</summary>
    public int Threads { get; init; }

    /// <summary>The duration of the warm-up, measurement or profile. A call that takes longer is completed and is then
    /// the only one.</summary>
    public double Milliseconds { get; init; }

    /// <summary>Profile: the number of calls for which the time span of each layer is recorded.</summary>
    public int Spans { get; init; }
}

/// <summary>A response of a worker: the result of the command, or an error.</summary>
public sealed record Response
{
    /// <summary>The error message. Null on success.</summary>
    public string? Error { get; init; }

    /// <summary>Prepare: the backend library with its version.</summary>
    public string? Library { get; init; }

    /// <summary>Prepare: the algorithm.</summary>
    public string? Algorithm { get; init; }

    /// <summary>Prepare: the algorithm that <c>auto</c> selects. Null if there is no choice.</summary>
    public string? Auto { get; init; }

    /// <summary>Prepare: the compile time of a model in milliseconds.</summary>
    public double CompileMs { get; init; }

    /// <summary>Prepare: floating-point operations per call.</summary>
    public double Operations { get; init; }

    /// <summary>Prepare: samples per call.</summary>
    public int Images { get; init; }

    /// <summary>Measure: the median time per call, in milliseconds.</summary>
    public double MedianMs { get; init; }

    /// <summary>Measure: the time of the fastest call. First: the time of the call.</summary>
    public double MinMs { get; init; }

    /// <summary>Measure: the number of calls.</summary>
    public int Calls { get; init; }

    /// <summary>Latency: the time of each call, in milliseconds.</summary>
    public IReadOnlyList<double>? CallsMs { get; init; }

    /// <summary>Measure and First: the peak resident memory since the preparation, less the resident memory before it,
    /// in MB.</summary>
    public double? PeakMemoryMB { get; init; }

    /// <summary>Check: the result.</summary>
    public GradientAgreement? Gradients { get; init; }

    /// <summary>SelfTest: the result.</summary>
    public SelfTestResult? SelfTest { get; init; }

    /// <summary>Peak: GFLOP/s. Memory: GB/s.</summary>
    public double Rate { get; init; }

    /// <summary>Profile: the time per layer.</summary>
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

/// <summary>Serialises requests and responses.</summary>
internal static class Protocol
{
    private static readonly JsonSerializerOptions Form = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Formats a request or response as a line.</summary>
    public static string Line<T>(T message) => JsonSerializer.Serialize(message, Form);

    /// <summary>Parses the request or response in a line.</summary>
    /// <exception cref="FormatException">The line is not valid.</exception>
    public static T Read<T>(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(line, Form)
                ?? throw new FormatException($"Not a valid {typeof(T).Name}: {line}");
        }
        catch (JsonException error)
        {
            throw new FormatException($"Not a valid {typeof(T).Name}: {line}", error);
        }
    }
}
