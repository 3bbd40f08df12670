using ConvNet.Measurement;
using ConvNet.Profiling;
using static System.FormattableString;

namespace ConvNet.Reports.Pages;

/// <summary>A profiled run of a network.</summary>
/// <param name="Title">The network, batch size, backend and thread count.</param>
/// <param name="Profile">The time per layer.</param>
/// <param name="Roofline">The roofline of the machine.</param>
public sealed record ProfiledRun(string Title, NetworkProfile Profile, Roofline Roofline)
{
    private const int MaxBars = 12;

    /// <summary>The section of the page: the most expensive layers, all layers under the roofline, and a
    /// table.</summary>
    internal Section Section => new($"Where the time goes: {Title}", [.. Bars, .. Points, Table]);

    private IEnumerable<Block> Bars
    {
        get
        {
            LayerProfile[] longest = [.. Profile.Layers.OrderByDescending(layer => layer.TotalMs).Take(MaxBars)];
            if (longest.Length > 0)
                yield return new BarChart("The most expensive layers, % of the time", "Shares of "
                    + $"{Number.Text(Profile.MedianMs)} ms, the median of {Profile.Calls} calls.", "% of the time",
                    [.. longest.Select(layer
                        => new BarGroup($"{layer.Title}, {Word(layer)}", [new Bar("share", 100 * Share(layer))]))]);
        }
    }

    private IEnumerable<Block> Points
    {
        get
        {
            RooflinePoint[] points = [.. Profile.Layers.Where(layer => layer is { Gflops: > 0, Intensity: > 0 })
                .Select(layer => new RooflinePoint(layer.Title, Word(layer), layer.Intensity, layer.Gflops,
                    Share(layer)))];
            if (points.Length > 0)
                yield return new RooflineChart("Layers under the roofline", "The performance of each layer with "
                    + "multiply-adds against its operations per byte of memory traffic. Layers below the slope are "
                    + "limited by memory bandwidth, layers below the flat roof by arithmetic. Larger points take "
                    + "more of the time.", Roofline, points);
        }
    }

    private DataTable Table => new("All layers",
        [new("layer"), new("pass"), new("median ms", true), new("% of the time", true), new("GFLOP/s", true),
            new("MB", true), new("GB/s", true), new("bound ms", true), new("bound by"),
            new("% of the bound", true), new("threads", true), new("kernel"), new("algorithm"), new("shape")],
        [.. Profile.Layers.Select(layer => (string[])[layer.Title, Word(layer), Number.Text(layer.MedianMs),
            Number.Percent(Share(layer)), layer.Flops > 0 ? Number.Text(layer.Gflops) : "",
            Number.Text(layer.Bytes / 1e6), Number.Text(layer.GigabytesPerSecond), Number.Text(Roofline.BoundMs(layer)),
                Roofline.IsBoundByMemory(layer) ? "memory" : "multiply-adds",
            Invariant($"{Roofline.PercentOfBound(layer):0}"), $"{layer.Threads}", layer.Kernel, layer.Algorithm,
                layer.Shape])]);

    private double Share(LayerProfile layer) => layer.TotalMs / Profile.TotalMs;

    private static string Word(LayerProfile layer) => ProfiledPassConverter.Word(layer.Pass);
}
