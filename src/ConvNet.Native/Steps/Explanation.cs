using ConvNet.Native.Interop;
using ConvNet.Native.Steps;
using ConvNet.Profiling;

namespace ConvNet.Native;

/// <summary>Converts a plan into its description.</summary>
internal static class Explanation
{
    // A pass over values counts as this many operations per value, as convnet.h specifies.
    private const double OperationsPerValue = 4;

    /// <summary>Describes a plan.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="arenaFloats">The number of floats in the arena.</param>
    /// <param name="preparedFloats">The number of floats that preparation computes and keeps.</param>
    public static PlanDescription Of(Lowering plan, long arenaFloats, long preparedFloats)
    {
        PassSpec pass = plan.Pass;
        var calls = All(plan).ToLookup(call => call.Owner, call => call.Call);
        var layers = plan.Layouts.Primitives.Select(primitive => Of(plan, primitive, [.. calls[primitive]])).ToList();
        layers.Add(Ends(plan, [.. calls[null]]));
        if (pass.Training is { } training)
        {
            string optimizer = training.Optimizer.GetType().Name;
            layers.Add(new PlannedLayer(optimizer, optimizer.ToLowerInvariant(), [], [], null, null, null,
                plan.Parameters.RestFloats > 0 ? [Optimizer(plan, training)] : []));
        }
        (long values, long gradients, long state) = plan.Parameters.Bytes;
        long apart = All(plan.ForwardSteps, plan.BackwardSteps).SelectMany(step => step.Step.Slots)
            .Concat(plan.Losses.SelectMany(loss => loss.Slots)).Select(slot => slot.Memory)
            .Where(slot => slot.Owner == SlotOwner.Arena).Distinct().Sum(Bytes);
        var memory = new PlannedMemory(sizeof(float) * arenaFloats, apart, values, gradients, state,
            sizeof(float) * preparedFloats);
        string isa = InstructionSets.Of(pass.Context.features).ToString().ToLowerInvariant();
        return new PlanDescription(pass.Training is null ? "inference" : "training", isa, pass.Context.threads,
            pass.BatchSize, layers, memory);
    }

    /// <summary>Returns what a recording times: the steps of the three lists in order and, in training, the loss and
    /// the optimiser step.</summary>
    public static IReadOnlyList<LayerProfile> Parts(Lowering plan)
    {
        PassSpec pass = plan.Pass;
        List<LayerProfile> parts =
        [
            .. plan.PreparationSteps.Select(
                step => Part(pass, step, Of(pass, PlannedPass.Preparation, step), ProfiledPass.Preparation)),
            .. plan.ForwardSteps.Select(
                step => Part(pass, step, Of(pass, PlannedPass.Forward, step), ProfiledPass.Forward)),
            .. plan.BackwardSteps.Select(
                step => Part(pass, step, Of(pass, PlannedPass.Backward, step), ProfiledPass.BackwardData)),
        ];
        if (pass.Training is { } training)
        {
            parts.Add(Part(NameOfEnds(pass), Of(plan.Losses), ProfiledPass.Loss,
                string.Join(" + ", plan.Graph.Objectives.Select(value => value.Node.Shape))));
            parts.Add(Part(training.Optimizer.GetType().Name, Optimizer(plan, training), ProfiledPass.Update,
                $"{plan.Parameters.RestFloats}"));
        }
        return parts;
    }

    private static LayerProfile Part(PassSpec pass, PlannedStep step, PlannedCall call, ProfiledPass usual)
    {
        ProfiledPass when = step.Step.Pass ?? usual;
        if (step.Owner?.Operation is not { } operation)
            return Part(NameOfEnds(pass), call, when, "");
        LayerProfile part = Part(operation.Node.Name, call, when,
            LayerProfile.ShapeOf(operation.Node, operation.Output.Node));
        return part with { Kind = operation.Node.Layer!.Kind, Fused = [.. operation.Fused.Select(node => node.Name)] };
    }

    private static LayerProfile Part(string name, PlannedCall call, ProfiledPass pass, string shape)
        => new(name, name.ToLowerInvariant(), [], pass, call.Kernel, call.Algorithm, call.Reason, shape, call.Flops,
            call.Bytes, call.Threads);

    /// <summary>Describes the layout of a value of n samples.</summary>
    public static PlannedTensor Of(cn_tensor tensor, int n) => new(
        tensor.layout switch
        {
            cn_layout.CN_PLAIN => "plain",
            cn_layout.CN_BLOCKED => "blocked",
            _ => "flat",
        },
        new Shape(tensor.c, tensor.h, tensor.w), tensor.halo, Convnet.cn_tensor_bytes(tensor, n).SizeOrThrow());

    private static PlannedLayer Of(Lowering plan, Primitive primitive, IReadOnlyList<PlannedCall> calls)
    {
        Operation operation = primitive.Operation;
        int n = plan.Pass.BatchSize;
        Parameter? weights = operation.Node.Parameters.FirstOrDefault(p => p.Role == ParameterRole.Weight);
        return new PlannedLayer(
            operation.Node.Name, operation.Node.Layer!.Kind, [.. operation.Fused.Select(node => node.Name)],
            [.. Enumerable.Range(0, operation.Inputs.Count).Select(i => Of(plan.Layouts.Read(primitive, i), n))],
            Of(plan.Layouts.Written(operation.Output), n),
            plan.WantsGradient(operation.Output) ? Of(plan.Layouts.Gradient(operation.Output), n) : null,
            weights is null ? null : primitive.PackingOf(weights).Form, calls);
    }

    // The entry for the steps that belong to no layer: the outputs, their losses, and the gradients of the inputs.
    private static PlannedLayer Ends(Lowering plan, IReadOnlyList<PlannedCall> calls)
    {
        string name = NameOfEnds(plan.Pass);
        return new PlannedLayer(name, name.ToLowerInvariant(), [],
            [.. plan.Outputs.Select(output => Of(output.Tensor, plan.Pass.BatchSize))], null, null, null, calls);
    }

    // The entry for the parameters that were not updated as part of a weight gradient.
    private static PlannedCall Optimizer(Lowering plan, TrainingSpec training)
    {
        ParameterStore parameters = plan.Parameters;
        long floats = parameters.RestFloats, touched = 3 + 2 * parameters.StateNames;
        string name = training.Optimizer.GetType().Name.ToLowerInvariant();
        if (parameters.StepsInCSharp)
            return new PlannedCall(PlannedPass.Update, name, "the rule's own loops in C#", "there is no kernel for "
                + "this rule",
                0, sizeof(float) * touched * floats, 0, 1);
        string reason = parameters.KeepsGradients
            ? "the parameters are contiguous"
            : "the parameters that no weight gradient updates";
        return new PlannedCall(PlannedPass.Update, name, "one pass over the values", reason, 0,
            sizeof(float) * touched * floats, 0, Threads(plan.Pass, 2 * OperationsPerValue * floats));
    }

    private static IEnumerable<(Primitive? Owner, PlannedCall Call)> All(Lowering plan)
    {
        foreach (PlannedStep step in plan.PreparationSteps)
            yield return (step.Owner, Of(plan.Pass, PlannedPass.Preparation, step));
        foreach (PlannedStep step in plan.ForwardSteps)
            yield return (step.Owner, Of(plan.Pass, PlannedPass.Forward, step));
        if (plan.Losses.Count > 0)
            yield return (null, Of(plan.Losses));
        foreach (PlannedStep step in plan.BackwardSteps)
            yield return (step.Owner, Of(plan.Pass, PlannedPass.Backward, step));
    }

    private static PlannedCall Of(IReadOnlyList<LossStep> losses)
        => new(PlannedPass.Forward, "loss", "one pass over the output", "a few values per sample", 0,
            losses.SelectMany(loss => loss.Slots).Sum(Bytes), 0, 1);

    private static string NameOfEnds(PassSpec pass) => pass.Training is null ? "Output"
        : string.Join(" + ", pass.Objectives.Select(objective => objective.Loss.GetType().Name));

    private static IEnumerable<PlannedStep> All(params IReadOnlyList<PlannedStep>[] lists)
        => lists.SelectMany(steps => steps);

    private static PlannedCall Of(PassSpec pass, PlannedPass when, PlannedStep planned)
    {
        long flops = planned.Choice.Operations;
        Slot[] slots = [.. planned.Step.Slots.Distinct()];
        double operations = flops > 0 ? flops : OperationsPerValue * slots.Where(slot => !slot.IsWorkspace)
            .Max(slot => slot.Floats);
        return new PlannedCall(when, NameOf(planned.Step), planned.Choice.Algorithm, planned.Choice.Reason, flops,
            sizeof(float) * planned.Step.Floats, slots.Where(slot => slot.IsWorkspace).Sum(Bytes),
                Threads(pass, operations));
    }

    private static int Threads(PassSpec pass, double operations) => Convnet.cn_team_size(pass.Context, operations)
        .SizeOrThrow();

    private static long Bytes(Slot slot) => OptionalSlot.Bytes(slot);

    // ConvBackwardWeights becomes "conv backward weights", and ReorderStep becomes "reorder".
    private static string NameOf(Step step)
    {
        string name = step.GetType().Name;
        if (name.EndsWith(nameof(Step), StringComparison.Ordinal))
            name = name[..^nameof(Step).Length];
        return string.Concat(name.Select((c, i) => i > 0 && char.IsUpper(c) ? $" {char.ToLowerInvariant(c)}"
            : $"{char.ToLowerInvariant(c)}"));
    }
}
