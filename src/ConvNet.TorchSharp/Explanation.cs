using ConvNet.Planning;
using TorchSharp;
using static System.FormattableString;
using static TorchSharp.torch;

namespace ConvNet;

/// <summary>Describes which torch functions run a graph, and why.</summary>
/// <remarks>The nodes are lowered as for a plan, but with weights that have no memory.</remarks>
internal static class Explanation
{
    private const string Plain = "plain", ChannelsLast = "channels last", Autograd = "autograd";

    /// <summary>Describes the plan of a graph.</summary>
    /// <exception cref="NotSupportedException">Torch does not support a layer or the loss.</exception>
    public static PlanDescription Of(Graph graph, int batchSize, TrainingSpec? spec, TorchRuntime runtime)
    {
        IReadOnlyList<Objective> objectives = Executable.Check(graph, batchSize, spec);
        using var lowering = new Lowering(graph, batchSize: 0, seed: 0, runtime);
        using DisposeScope scope = NewDisposeScope();
        var pass = new ExplainedPass(graph, batchSize, spec, objectives, runtime.Info.Threads, lowering.ChannelsLast);
        // In inference, dropout runs no kernel.
        List<PlannedLayer> layers = [.. graph.LayerNodes.Where(node => spec is not null || node.Layer!.RunsInInference)
            .Select(node => Of(node, lowering, pass))];
        layers.AddRange(Ends(pass));
        string purpose = spec is null ? "inference" : "training";
        return new PlanDescription(purpose, runtime.Info.Isa, runtime.Info.Threads, batchSize, layers,
            Memory(pass, lowering));
    }

    private static PlannedLayer Of(Node node, Lowering lowering, ExplainedPass pass)
    {
        Tensor[] withoutMemory = [.. node.Parameters
            .Select(parameter => zeros([.. parameter.Dimensions.Select(extent => (long)extent)], device: META))];
        string function = lowering.Lower(node, withoutMemory).Function;
        Layer layer = node.Layer!;
        (string algorithm, string reason, double work) = Choice(node, lowering);
        long flops = (long)(2 * pass.BatchSize * work * layer.MultiplyAdds(node.InputShapes));
        long bytes = pass.BytesOf(node) + node.Inputs.Sum(pass.BytesOf) + node.Parameters.Sum(Bytes);
        List<PlannedCall> calls = [new(PlannedPass.Forward, function, algorithm, reason, flops, bytes, 0,
            pass.Threads)];
        if (pass.WantsGradient(node))
        {
            int gradients = (node.Parameters.Any(pass.Frozen.Trains) ? 1 : 0)
                + (node.Inputs.Any(pass.WantsGradient) ? 1 : 0);
            calls.Add(new(PlannedPass.Backward, $"{function} backward", Autograd, "", gradients * flops, 2 * bytes, 0,
                pass.Threads));
        }
        return new PlannedLayer(node.Name, layer.Kind, [], [.. node.Inputs.Select(pass.Lying)], pass.Lying(node),
            pass.WantsGradient(node) ? pass.Lying(node) : null,
            node.Parameters.Any(parameter => parameter.Role == ParameterRole.Weight) ? Plain : null, calls);
    }

    // Returns the algorithm of a node, the reason, and the factor by which it increases the node's multiply-adds.
    private static (string Algorithm, string Reason, double Work) Choice(Node node, Lowering lowering)
    {
        if (lowering.PaddingOf(node) is not { Size: var padding } found)
            return ("libtorch's choice", "", 1);
        if (!padding.Adds)
            return ("libtorch's choice", padding.Reason, 1);
        (int channels, int filters) = padding.Own;
        string ofGroup = found.Read.Own < node.Inputs[0].Shape.C ? " of a group" : "";
        IEnumerable<string> sizes = [.. Wider(channels, padding.Given.Channels, "channels"),
            .. Wider(filters, padding.Given.Filters, "filters")];
        return ($"padded with zeros: {string.Join(", ", sizes)}{ofGroup}",
            $"{padding.Reason}, for which oneDNN computes wrong sums if the processor hides its cache sizes",
            (double)padding.Given.Channels * padding.Given.Filters / channels / filters);
    }

    private static IEnumerable<string> Wider(int own, int padded, string what)
        => padded > own ? [Invariant($"{padded} {what} instead of {own}")] : [];

    // The entries that belong to no layer: the loss and the optimiser step.
    private static IEnumerable<PlannedLayer> Ends(ExplainedPass pass)
    {
        if (pass.Spec is not { } spec)
            yield break;
        long parameters = pass.TrainedBytes;
        foreach (Objective objective in pass.Objectives)
        {
            using TorchLoss loss = TorchLoss.Of(objective.Loss, batchSize: 0, objective.Output.Shape);
            string name = objective.Loss.GetType().Name;
            long values = pass.BytesOf(objective.Output);
            yield return new PlannedLayer(name, name.ToLowerInvariant(), [], [pass.Lying(objective.Output)], null, null,
                null,
                [
                    new(PlannedPass.Forward, loss.Function, "libtorch's choice", "", 0, values, 0, pass.Threads),
                    new(PlannedPass.Backward, "backward of the loss", Autograd, "", 0, 2 * values, 0, pass.Threads),
                ]);
        }
        string optimizer = spec.Optimizer.GetType().Name;
        yield return new PlannedLayer(optimizer, optimizer.ToLowerInvariant(), [], [], null, null, null,
        [
            new(PlannedPass.Update, optimizer.ToLowerInvariant(),
                TorchOptimizers.HasKernel(spec.Optimizer) ? "torch's fused kernel" : "the rule's own loops in C#",
                TorchOptimizers.HasKernel(spec.Optimizer) ? "" : "torch has no optimiser for this rule", 0,
                (3 + 2 * spec.Optimizer.StateNames.Count) * parameters, 0, pass.Threads),
        ]);
    }

    private static PlannedMemory Memory(ExplainedPass pass, Lowering lowering)
    {
        long outputs = pass.Graph.Nodes.Sum(node
            => (long)(pass.BytesOf(node) * (node.Layer is null ? 1 : Growth(node, lowering))));
        bool trains = pass.Spec is not null;
        return new PlannedMemory(outputs, outputs, pass.Graph.Parameters.Sum(Bytes), trains ? pass.TrainedBytes : 0,
            trains ? pass.Spec!.Optimizer.StateNames.Count * pass.TrainedBytes : 0, 0);
    }

    // The factor by which channel padding increases the outputs.
    private static double Growth(Node node, Lowering lowering)
        => lowering.PaddingOf(node) is { Made: var made } ? (double)made.Given / made.Own : 1;

    private static long Bytes(Parameter parameter) => sizeof(float) * (long)parameter.Length;

    /// <summary>The values that are the same for all layers of a plan.</summary>
    private sealed class ExplainedPass
    {
        private readonly Liveness _liveness;
        private readonly bool _channelsLast;

        public ExplainedPass(Graph graph, int batchSize, TrainingSpec? spec, IReadOnlyList<Objective> objectives,
            int threads, bool channelsLast)
        {
            _channelsLast = channelsLast;
            (Graph, BatchSize, Spec, Objectives, Threads) = (graph, batchSize, spec, objectives, threads);
            Frozen = spec is null ? FrozenParameters.None : FrozenParameters.Of(graph, spec);
            _liveness = new Liveness(graph, objectives, spec?.InputGradient ?? false, Frozen);
        }

        public Graph Graph { get; }

        public int BatchSize { get; }

        public TrainingSpec? Spec { get; }

        public IReadOnlyList<Objective> Objectives { get; }

        public int Threads { get; }

        public FrozenParameters Frozen { get; }

        public long TrainedBytes => Graph.Parameters.Where(Frozen.Trains).Sum(Bytes);

        public bool WantsGradient(Node node) => _liveness.WantsGradient(node);

        public long BytesOf(Node node) => sizeof(float) * (long)BatchSize * node.Shape.Length;

        public PlannedTensor Lying(Node node)
            => new(_channelsLast && !node.Shape.IsVector ? ChannelsLast : Plain, node.Shape, 0, BytesOf(node));
    }
}
