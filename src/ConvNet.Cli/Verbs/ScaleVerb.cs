using System.CommandLine;
using System.Globalization;
using ConvNet.Backends;
using ConvNet.Cli.Scaling;
using Spectre.Console;
using static System.FormattableString;

namespace ConvNet.Cli.Verbs;

/// <summary><c>convnet scale</c>: predicts the efficiency of a training on several nodes from a step on this
/// machine.</summary>
internal sealed class ScaleVerb : Verb
{
    /// <summary>The number of images of each node by default.</summary>
    public const int DefaultBatch = 32;

    private const string DefaultModel = "resnet18", Range = "..";
    private const int MostNodes = 1 << 20;

    private static readonly (string Unit, double Factor)[] s_bits = [("Gbit", 1e9), ("Mbit", 1e6), ("kbit", 1e3)],
        s_times = [("us", 1e-6), ("ms", 1e-3), ("ns", 1e-9), ("s", 1)];

    private readonly Option<string?> _model, _input;
    private readonly Option<string> _nodes, _bandwidth, _latency, _backend;
    private readonly Option<int> _batch;
    private readonly Option<int?> _threads;
    private readonly Option<double?> _speed;
    private readonly Option<string[]> _check;

    public ScaleVerb() : base("scale", "Predicts the efficiency of a training on several nodes, from the time of a "
        + "step on this machine, its buckets of gradients, and a model of the network between the nodes.",
        "scale --model resnet50 --batch 32 --nodes 2..64 --bandwidth 10Gbit --latency 20us",
        "scale --model resnet18 --input 3x32x32 --check 2,4 --json")
    {
        _model = Optional<string>("--model", $"{ModelChoice.Description} Default: {DefaultModel}.", "MODEL");
        ReadsModel(_model);
        _input = Optional<string>("--input",
            "Image shape, for example 3x32x32 (channels, rows, columns). Default: that of the model.", "CxHxW");
        _batch = Number("--batch", "Number of images of each node in a step.", DefaultBatch, NumberRanges.FromOne, "N");
        _nodes = WithDefault("--nodes", "Numbers of nodes: 2..64 for powers of two, or a list such as 2,8,48.", "2..64",
            "NODES");
        _bandwidth = WithDefault("--bandwidth", "Bandwidth of a node's link, as 10Gbit or 800Mbit.", "10Gbit", "RATE");
        _latency = WithDefault("--latency", "Time that a message takes from node to node, as 20us.", "20us", "TIME");
        _speed = OptionalNumber("--speed", "How many times as fast as this machine a node is: 8, for example, for 16 "
            + "processors of the kind of which this machine has 2. Default: 1.",
            NumberRanges.Double(NumberInterval.AboveZero, "8"), "X");
        _check = Several("--check", "Also train on so many ranks of this machine, started by mpirun, and compare the "
            + "model with the measurement. More ranks than processors disturb one another.", "RANKS");
        _backend = BackendOption();
        _threads = ThreadsOption();
    }

    public override int Run(ParseResult command, Terminal terminal)
    {
        int[] nodes = NodesOf(command.GetValue(_nodes)!),
            checks = [.. Numbers(command, _check, NumberRanges.Whole(2, NumberRanges.MostThreads))];
        double bits = Quantity(_bandwidth.Name, command.GetValue(_bandwidth)!, s_bits),
            latency = Quantity(_latency.Name, command.GetValue(_latency)!, s_times),
            speed = command.GetValue(_speed) ?? 1;
        var model = new ScaleModel(bits / 8, latency);
        string name = command.GetValue(_model) ?? DefaultModel;
        int batch = command.GetValue(_batch);
        Graph graph = ModelChoice.Open(name, command.GetValue(_input) is { } shape ? Shape.Parse(shape) : null);
        using IBackend backend = BackendRegistry.Create(command.GetValue(_backend)!, command.GetValue(_threads));
        StepTimings timings = StepTimings.Measure(backend, graph, batch, null, null, terminal.Cancellation)
            .Faster(speed);
        ScalePoint[] points = [.. nodes.Select(count => model.Predict(timings, count))];
        double? needed = model.BandwidthNeeded(timings, nodes[^1]);
        ScaleCheck[] compared = [.. checks.Select(ranks => ScaleCheck.Run(ranks, RankCommand(command, name, batch)))];
        if (!terminal.Json)
            Write(terminal, $"{name}, {batch} images on each node", timings, model, points, needed, compared);
        terminal.WriteJson(Document(name, backend.Info, batch, speed, timings, model, points, needed, compared));
        return ExitCode.Ok;
    }

    private static void Write(Terminal terminal, string title, StepTimings timings, ScaleModel model,
        ScalePoint[] points, double? needed, ScaleCheck[] checks)
    {
        terminal.People.WriteLine(Invariant($"{title}: {1e3 * timings.Step:F1} ms a step, ")
            + Invariant($"{timings.Buckets.Sum(bucket => bucket.Bytes) / 1e6:F1} MB of gradients in ")
            + Invariant($"{timings.Buckets.Count} buckets, {model.Gigabits:0.##} Gbit/s, ")
            + Invariant($"{1e6 * model.Latency:0.##} µs"));
        var table = new TextTable(1, TableHead.Figures("nodes", "step ms", "all-reduce ms", "hidden", "efficiency"));
        foreach (ScalePoint point in points)
            table.Add(Invariant($"{point.Nodes:N0}"), Invariant($"{1e3 * point.Step:F1}"),
                Invariant($"{1e3 * point.AllReduce:F1}"), Invariant($"{point.HiddenShare:0%}"),
                Invariant($"{point.Efficiency:0.0%}"));
        terminal.People.Write(table);
        terminal.People.WriteLine(needed is { } bandwidth
            ? Invariant($"for 90% on {points[^1].Nodes:N0} nodes: {bandwidth * 8 / 1e9:G3} Gbit/s or more")
            : Invariant($"the latency alone prevents 90% on {points[^1].Nodes:N0} nodes"));
        foreach (ScaleCheck check in checks)
            terminal.People.WriteLine(Invariant($"checked on {check.Ranks} ranks of this machine ")
                + Invariant($"({check.Model.Gigabits:F1} Gbit/s, {1e6 * check.Model.Latency:F0} µs): predicted ")
                + Invariant($"{1e3 * check.Predicted:F1} ms, measured {1e3 * check.Measured:F1} ms, error ")
                + Invariant($"{check.Error:+0.0%;-0.0%}")
                + (check.Ranks > Environment.ProcessorCount ? "; there are fewer processors than ranks" : ""));
    }

    private static object Document(string name, BackendInfo backend, int batch, double speed, StepTimings timings,
        ScaleModel model, ScalePoint[] points, double? needed, ScaleCheck[] checks) => new
        {
            model = name,
            backend = backend.Name,
            backend.Threads,
            batch,
            speed,
            bandwidthGbit = model.Gigabits,
            latencySeconds = model.Latency,
            stepSeconds = timings.Step,
            buckets = timings.Buckets.Select(bucket => new { bucket.Bytes, readySeconds = bucket.Ready }),
            points = points.Select(point => new
            {
                point.Nodes,
                stepSeconds = point.Step,
                allReduceSeconds = point.AllReduce,
                point.HiddenShare,
                point.Efficiency,
            }),
            bandwidthFor90Gbit = needed * 8 / 1e9,
            checks = checks.Select(check => new
            {
                check.Ranks,
                processors = Environment.ProcessorCount,
                bandwidthGbit = check.Model.Gigabits,
                latencySeconds = check.Model.Latency,
                aloneSeconds = check.Alone,
                predictedSeconds = check.Predicted,
                measuredSeconds = check.Measured,
                check.Error,
            }),
        };

    private string[] RankCommand(ParseResult command, string model, int batch) =>
    [
        ScaleRankVerb.Word, "--model", model, "--batch", $"{batch}", "--backend", command.GetValue(_backend)!,
        .. command.GetValue(_input) is { } input ? (string[])["--input", input] : [],
    ];

    private int[] NodesOf(string text)
    {
        string[] ends = text.Split(Range);
        int[] nodes = ends.Length == 2 ? Doublings(NodeCount(ends[0], text), NodeCount(ends[1], text))
            : [.. text.Split(',').Select(word => NodeCount(word, text))];
        return nodes.Length > 0 ? nodes
            : throw new ArgumentException($"{_nodes.Name} is \"{Excerpt.Of(text)}\"; the first number must not exceed "
                + "the second, as in 2..64.");
    }

    private static int[] Doublings(int from, int to)
    {
        var nodes = new List<int>();
        for (long count = from; count <= to; count *= 2)
            nodes.Add((int)count);
        return [.. nodes];
    }

    private int NodeCount(string word, string text)
        => int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count is >= 1
            and <= MostNodes ? count : throw new ArgumentException($"{_nodes.Name} is \"{Excerpt.Of(text)}\"; it takes "
                + $"numbers from 1 to {MostNodes:N0}, as in 2..64 or 2,8,48.");

    private static double Quantity(string option, string text, (string Unit, double Factor)[] units)
    {
        foreach ((string unit, double factor) in units)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal) && double.TryParse(text[..^unit.Length],
                NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) && number > 0)
                return number * factor;
        }
        throw new ArgumentException($"{option} is \"{Excerpt.Of(text)}\"; it takes a number above 0 and a unit, "
            + $"{string.Join(", ", units.SkipLast(1).Select(each => each.Unit))} or {units[^1].Unit}.");
    }
}
