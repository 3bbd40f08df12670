using System.Diagnostics;
using System.Globalization;
using ConvNet.Backends;
using ConvNet.Cli.Gradcheck;
using ConvNet.GradientChecking;
using ConvNet.Models;

namespace ConvNet.Tests.Models;

/// <summary>Every built-in network on every backend, which takes hours: tests/models.sh runs it.</summary>
/// <remarks>Prints a row of a Markdown table for each network.</remarks>
internal static class ModelSweep
{
    private const int Batch = 2, Classes = 10, Steps = 10;
    private const float Rate = 1e-3f;

    // One sample of a larger network takes seconds a step.
    private const long MostMultiplyAddsOfTwo = 1L << 34;

    // The reference of a larger layer needs gigabytes.
    private const int MostWeights = 1 << 24;

    private static readonly Shape s_usual = new(3, 32, 32);

    private static readonly Dictionary<string, Shape> s_images = new()
    {
        ["digits"] = new(1, 8, 8),
        ["lenet5"] = new(1, 28, 28),
        ["cifarnet"] = new(3, 8, 8),
        ["resnet20"] = new(3, 8, 8),
        ["resnet32"] = new(3, 8, 8),
        ["resnet56"] = new(3, 8, 8),
        ["alexnet"] = new(3, 63, 63),
        ["googlenet"] = new(3, 64, 64),
        ["googlenet_aux"] = new(3, 64, 64),
        ["unet"] = new(1, 16, 16),
    };

    /// <summary>Runs the program.</summary>
    /// <param name="words">The names of networks, by default all; <c>--train</c> for ten training steps at the
    /// networks' own size; <c>--mode</c>, <c>--backends</c> and <c>--threads</c> with their values.</param>
    /// <returns>Whether everything passed.</returns>
    public static bool Run(string[] words)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        string[] modes = ["exact", "real"], backends = [.. BackendRegistry.OnThisProcessor.Where(each
            => each is { Precision: null, Algorithm: null, Padding: null }).Select(each => each.Name)], names = [];
        bool train = false;
        int threads = 2;
        for (int i = 0; i < words.Length; i++)
        {
            switch (words[i])
            {
                case "--train":
                    train = true;
                    break;
                case "--mode":
                    modes = words[++i].Split(',');
                    break;
                case "--backends":
                    backends = words[++i].Split(',');
                    break;
                case "--threads":
                    threads = int.Parse(words[++i], CultureInfo.InvariantCulture);
                    break;
                default:
                    names = [.. names, words[i]];
                    break;
            }
        }
        BuiltInModel[] models = [.. Named(names).OrderBy(model => WorkOf(GraphOf(model.Name)))];
        Write(["network", "images", "parameters", .. train ? backends : modes]);
        Write([.. Enumerable.Repeat("---", 3 + (train ? backends : modes).Length)]);
        return models.Select(model => train ? Train(model, backends, threads) : Check(model, modes, backends, threads))
            .ToArray().All(passes => passes);
    }

    /// <summary>Returns the networks of these names; all if there are none.</summary>
    /// <exception cref="ArgumentException">There is no network of a name.</exception>
    internal static IEnumerable<BuiltInModel> Named(string[] names)
    {
        string[] unknown = [.. names.Except(BuiltInModels.All.Select(model => model.Name))];
        return unknown.Length > 0
            ? throw new ArgumentException($"There is no network {string.Join(", ", unknown)}.", nameof(names))
            : BuiltInModels.All.Where(model => names.Length == 0 || names.Contains(model.Name));
    }

    /// <summary>The network that is checked: on the smallest images with room for its pools, with few classes, and with
    /// fewer units of a linear layer that would have more than 2²⁴ weights.</summary>
    /// <param name="name">The name of the network.</param>
    internal static Graph GraphOf(string name)
    {
        Graph whole = BuiltInModels.Create(name, s_images.GetValueOrDefault(name, s_usual), Classes);
        static bool IsTooWide(Node node) => node.Layer is Linear && node.Parameters[0].Length > MostWeights;
        if (!whole.LayerNodes.Any(IsTooWide))
            return whole;
        var graph = new Graph(whole.Input.Shape);
        var copies = new Dictionary<Node, Node> { [whole.Input] = graph.Input };
        foreach (Node node in whole.LayerNodes)
        {
            Layer layer = IsTooWide(node) ? new Linear(MostWeights / 2 / node.InputShapes[0].Length) : node.Layer!;
            copies[node] = graph.Add(node.Name, layer, [.. node.Inputs.Select(input => copies[input])]);
        }
        graph.SetOutputs([.. whole.Outputs.Select(output => copies[output])]);
        return graph;
    }

    private static bool Check(BuiltInModel model, string[] modes, string[] backends, int threads)
    {
        Graph graph = GraphOf(model.Name);
        (string Text, bool Passes)[] cells = [.. modes.Select(mode => Cell(() =>
        {
            IBackend[] opened = [.. backends.Select(name => new BackendVariant(name,
                BackendRegistry.Create(name, threads)))];
            try
            {
                GradientReport report = GradientCheck.Run(graph, opened,
                    new GradientCheckOptions { Modes = CheckModeWords.Parse([mode]), BatchSize = Batch });
                return report.Verdict == Verdict.Pass
                    ? report.Worst is { Tensor.WorstInBounds: > 0 } worst
                        ? $"{worst.Tensor.WorstInBounds:0.00} of the bound" : "equal"
                    : throw new AssertionFailure(string.Join("; ", report.Failures.GroupBy(each => each.Layer.Backend)
                        .Select(each => $"{each.Key}: {each.First().Tensor.Name} of {each.First().Layer.Layer}")));
            }
            finally
            {
                Array.ForEach(opened, backend => backend.Dispose());
            }
        }))];
        Write([model.Name, $"{graph.Input.Shape}", $"{graph.Parameters.Sum(p => (long)p.Length):N0}",
            .. cells.Select(cell => cell.Text)]);
        return cells.All(cell => cell.Passes);
    }

    private static bool Train(BuiltInModel model, string[] backends, int threads)
    {
        Graph graph = model.Create();
        int n = WorkOf(graph) > MostMultiplyAddsOfTwo ? 1 : 2;
        var spec = new TrainingSpec(n, GradientCheckOptions.LossesFor(graph), new Sgd(0.9f)) { Seed = 1 };
        TrainingBatch batch = TrainingBatch.Real(graph, spec.Losses.For(graph), n, seed: 1);
        (string Text, bool Passes)[] cells = [.. backends.Select(name => Cell(() =>
        {
            using IBackend backend = BackendRegistry.Create(name, threads);
            using IExecutable net = backend.Compile(graph, spec);
            net.Initialize(new HeNormal(1));
            float[][] start = [.. graph.Parameters.Select(p => net.Read(p))];
            double[] losses = [.. Enumerable.Range(0, Steps).Select(_
                => net.TrainStep(BatchValues.InOrder(batch.Inputs), batch.Targets, Rate))];
            foreach (Parameter p in graph.Parameters.Where(p => p.Trainable))
            {
                float[] end = net.Read(p);
                if (!Array.TrueForAll(end, float.IsFinite))
                    throw new AssertionFailure($"{p.Name} is not finite");
                if (p.Role == ParameterRole.Weight && end.AsSpan().SequenceEqual(start[p.Index]))
                    throw new AssertionFailure($"{p.Name} has not moved");
            }
            // With two samples and dropout, the loss is noisy once it has come close to 0.
            return losses.All(double.IsFinite) && losses.Min() < losses[0]
                ? $"{losses[0]:0.00} → {losses.Min():0.00}"
                : throw new AssertionFailure($"losses of {string.Join(", ", losses.Select(loss => $"{loss:0.00}"))}");
        }))];
        Write([model.Name, $"{n}×{graph.Input.Shape}", $"{graph.Parameters.Sum(p => (long)p.Length):N0}",
            .. cells.Select(cell => cell.Text)]);
        return cells.All(cell => cell.Passes);
    }

    // What fails is the answer, whatever it is, and the next network follows.
    private static (string Text, bool Passes) Cell(Func<string> run)
    {
        var clock = Stopwatch.StartNew();
        try
        {
            string text = run();
            return ($"{text}, {clock.Elapsed.TotalSeconds:0} s", true);
        }
        catch (Exception failure) when (failure is AssertionFailure or NotSupportedException or ArgumentException
            or InvalidOperationException or ArithmeticException or OutOfMemoryException)
        {
            return ($"FAILS: {failure.Message}, {clock.Elapsed.TotalSeconds:0} s", false);
        }
    }

    private static long WorkOf(Graph graph) => graph.LayerNodes.Sum(node
        => node.Layer!.MultiplyAdds(node.InputShapes) + node.Parameters.Sum(p => (long)p.Length));

    private static void Write(string[] cells) => Console.WriteLine($"| {string.Join(" | ", cells)} |");

    private sealed class AssertionFailure(string message) : Exception(message);
}
