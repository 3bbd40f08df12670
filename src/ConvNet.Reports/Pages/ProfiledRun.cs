using ConvNet.Measurement;
using ConvNet.Profiling;
using static System.FormattableString;

namespace ConvNet.Reports.Pages;

/// <summary>A network whose time was looked into.</summary>
/// <param name="Title">What ran: the network, the batch, the backend, the threads.</param>
/// <param name="Profile">Where its time went.</param>
/// <param name="Roofline">What bounds it.</param>
public sealed record ProfiledRun(string Title, NetworkProfile Profile, Roofline Roofline)
{
    private const int MostBars = 12;

    /// <summary>The pieces that take the most time, every layer under the roofline, and the table of all
    /// pieces.</summary>
    internal Section Section => new($"Where the time goes: {Title}", [.. Bars, .. Points, Table]);

    private IEnumerable<Block> Bars
    {
        get
        {
            LayerProfile[] longest = [.. Profile.Layers.OrderByDescending(layer => layer.TotalMs).Take(MostBars)];
            if (longest.Length > 0)
                yield return new BarChart("The longest pieces, % of the time", "Shares of "
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
                yield return new RooflineChart("Layers under the roofline", "What every layer with multiply-adds "
                    + "reaches, against its operations per byte that it must move. "
                    + "Below the slope the memory is the limit, below the flat roof the arithmetic; a larger point "
                    + "takes more of the time.", Roofline, points);
        }
    }

    private DataTable Table => new("Every piece of work",
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
