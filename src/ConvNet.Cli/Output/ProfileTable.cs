using ConvNet.Measurement;
using ConvNet.Profiling;
using Spectre.Console;

namespace ConvNet.Cli;

/// <summary>Formats a network profile as a table and as a JSON document.</summary>
internal static class ProfileTable
{
    /// <summary>Writes a row for each layer and pass, and one for the time between layers.</summary>
    /// <param name="people">The console.</param>
    /// <param name="title">What was profiled.</param>
    /// <param name="profile">The profile.</param>
    /// <param name="roofline">The roofline of the machine.</param>
    public static void Write(IAnsiConsole people, string title, NetworkProfile profile, Roofline roofline)
    {
        people.WriteLine($"{title}: {profile.MedianMs:0.000} ms per call, {profile.Calls} calls; roofline of "
            + $"{roofline.PeakGflops:0} GFLOP/s and {roofline.MemoryGBs:0} GB/s");
        var table = new TextTable(2, ["layer", "pass", .. TableHead.Figures("median ms", "% of time", "GFLOP/s", "MB",
            "GB/s", "bound ms"), "bound by",
            .. TableHead.Figures("% of bound", "threads"), TableHead.Prose("kernel")]);
        foreach (LayerProfile layer in profile.Layers)
        {
            table.Add(layer.Title, ProfiledPassConverter.Word(layer.Pass), $"{layer.MedianMs:0.0000}",
                Share(layer.TotalMs, profile), layer.Flops > 0 ? $"{layer.Gflops:0.0}" : "",
                $"{layer.Bytes / 1e6:0.000}", $"{layer.GigabytesPerSecond:0.0}", $"{roofline.BoundMs(layer):0.0000}",
                    roofline.IsBoundByMemory(layer) ? "memory" : "multiply-adds",
                $"{roofline.PercentOfBound(layer):0}", $"{layer.Threads}", $"{layer.Kernel}: {layer.Algorithm}");
        }
        table.Add("between layers", "", $"{profile.BetweenMs / profile.Calls:0.0000}", Share(profile.BetweenMs,
            profile));
        people.Write(table);
    }

    /// <summary>Returns the JSON document of <c>--json</c>: the profile with its bounds.</summary>
    public static object Document(NetworkProfile profile, Roofline roofline) => new
    {
        profile.Calls,
        profile.MedianMs,
        profile.TotalMs,
        profile.BetweenMs,
        roofline,
        layers = profile.Layers.Select(layer => new
        {
            layer.Node,
            layer.Kind,
            layer.Fused,
            layer.Pass,
            layer.Kernel,
            layer.Algorithm,
            layer.Reason,
            layer.Shape,
            layer.Threads,
            layer.Calls,
            layer.MedianMs,
            layer.TotalMs,
            layer.Flops,
            layer.Bytes,
            layer.Gflops,
            layer.GigabytesPerSecond,
            layer.Intensity,
            boundMs = roofline.BoundMs(layer),
            boundGflops = roofline.BoundGflops(layer),
            boundBy = roofline.IsBoundByMemory(layer) ? "memory" : "multiply-adds",
            percentOfBound = roofline.PercentOfBound(layer),
        }),
    };

    private static string Share(double milliseconds, NetworkProfile profile)
        => $"{100 * milliseconds / profile.TotalMs:0.0}";
}
