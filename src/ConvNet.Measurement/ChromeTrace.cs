using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConvNet.Profiling;
using ConvNet.Serialization;

namespace ConvNet.Measurement;

/// <summary>Writes profiles in the trace event format (JSON) of Perfetto (ui.perfetto.dev) and
/// chrome://tracing.</summary>
/// <remarks>
/// Each profile is a process with one thread, the one that calls the kernels. Each network call is a complete event
/// that contains the events of its layers. Times are microseconds since the recording began. Source: "Trace Event
/// Format", the Catapult project.
/// </remarks>
public static class ChromeTrace
{
    private const int Thread = 1;
    private const string Content = "the trace";

    private static readonly JsonSerializerOptions Form = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes a trace file.</summary>
    /// <param name="path">The file. An existing file is replaced.</param>
    /// <param name="profiles">The profiles, each with the names of its process and of its calls.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">Access to the folder is denied.</exception>
    public static void Write(string path, IEnumerable<(string Process, string Call, NetworkProfile Profile)> profiles)
    {
        var events = profiles.SelectMany((of, i) => Events(i + 1, of.Process, of.Call, of.Profile));
        AtomicFile.Write(
            path, Content, stream
            => JsonSerializer.Serialize(stream, new { displayTimeUnit = "ms", traceEvents = events }, Form));
    }

    private static IEnumerable<TraceEvent> Events(int process, string name, string call, NetworkProfile profile)
    {
        yield return Name("process_name", process, name);
        yield return Name("thread_name", process, "the thread that calls the kernels");
        foreach (ProfiledSpan span in profile.Spans)
        {
            LayerProfile? layer = span.Layer is { } index ? profile.Layers[index] : null;
            yield return new TraceEvent("X", layer is null ? call
                : $"{layer.Title} {ProfiledPassConverter.Word(layer.Pass)}", process, Thread)
            {
                Cat = layer is null ? "call" : ProfiledPassConverter.Word(layer.Pass),
                Ts = span.StartUs,
                Dur = span.DurationUs,
                Args = layer is null ? null : new
                {
                    layer.Kernel,
                    layer.Shape,
                    layer.Algorithm,
                    layer.Reason,
                    layer.Flops,
                    layer.Bytes,
                    layer.Threads
                },
            };
        }
    }

    private static TraceEvent Name(string what, int process, string name)
        => new("M", what, process, Thread) { Args = new { name } };

    /// <summary>A trace event. Its phase is X for a complete event and M for metadata.</summary>
    private sealed record TraceEvent(string Ph, string Name, int Pid, int Tid)
    {
        public string? Cat { get; init; }

        public double? Ts { get; init; }

        public double? Dur { get; init; }

        public object? Args { get; init; }
    }
}
