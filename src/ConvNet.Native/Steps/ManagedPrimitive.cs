using ConvNet.Native.Interop;
using ConvNet.Profiling;

namespace ConvNet.Native.Steps;

/// <summary>A user-defined layer. Runs in C#, on plain copies of its inputs.</summary>
internal sealed class ManagedPrimitive(Operation operation, Layer layer) : Primitive(operation)
{
    private Slot? _saved;

    /// <inheritdoc/>
    public override bool PlainOnly => true;

    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(cn_layout.CN_PLAIN, Operation.Node.Shape);

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Layouts.Tensor(cn_layout.CN_PLAIN, Operation.Node.Inputs[input].Shape);

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
    {
        int saved = layer.SavedLength(plan.Pass.BatchSize, Operation.Node.InputShapes);
        _saved = saved > 0 ? new Slot(saved) : null;
        plan.Add(new ManagedForward(Frame(plan, Inputs(plan), plan.Y(this)), layer, plan.Pass.Kind
            == PassKind.Training && !Operation.IsFrozen), InCSharp(plan, 1));
    }

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        Slot?[] x = layer.BackwardReads.HasFlag(BackwardReads.Inputs) ? Inputs(plan)
            : new Slot?[Operation.Inputs.Count];
        Slot? y = layer.BackwardReads.HasFlag(BackwardReads.Output) ? plan.Y(this) : null;
        plan.Add(new ManagedBackward(Frame(plan, x, y) with
        {
            DY = dy,
            DX = [.. Enumerable.Range(0, x.Length).Select(i => plan.DX(this, i))],
            DW = [.. Operation.Node.Parameters.Select(p => plan.Trains(p) ? plan.Parameters.Gradient(p) : null)],
        }, layer, !Operation.IsFrozen), InCSharp(plan, Gradients(plan)));
    }

    // The gradient of the inputs and that of the parameters each take as many multiply-adds as the output.
    private int Gradients(Lowering plan)
        => (Operation.Inputs.Any(plan.WantsGradient) ? 1 : 0)
            + (Operation.Node.Parameters.Any(plan.Trains) ? 1 : 0);

    private Choice InCSharp(Lowering plan, int sums) => new("the layer's own loops in C#",
        "there is no kernel for this layer",
        2L * plan.Pass.BatchSize * sums * layer.MultiplyAdds(Operation.Node.InputShapes));

    private Slot?[] Inputs(Lowering plan)
        => [.. Enumerable.Range(0, Operation.Inputs.Count).Select(i => plan.X(this, i))];

    private FrameSlots Frame(Lowering plan, Slot?[] x, Slot? y)
        => new(Operation.Node, plan.Seed, plan.Pass.Context.threads, x, y,
            [.. Operation.Node.Parameters.Select(plan.Parameters.Values)], _saved);
}

/// <summary>The slots of a <see cref="Frame{T}"/>. Null for memory that a pass must not access.</summary>
internal sealed record FrameSlots(Node Node, ulong Seed, int Threads, Slot?[] X, Slot? Y, Slot[] W, Slot? Saved)
{
    /// <summary>The gradient of the output.</summary>
    public Slot? DY { get; init; }

    /// <summary>The gradients of the inputs.</summary>
    public Slot?[] DX { get; init; } = [];

    /// <summary>The gradients of the parameters.</summary>
    public Slot?[] DW { get; init; } = [];

    /// <summary>All slots.</summary>
    public Slot?[] All => [.. X, Y, .. W, Saved, DY, .. DX, .. DW];

    /// <summary>Returns the memory of the slots, after their addresses have been assigned.</summary>
    public NodeMemory<float> Bind() => new()
    {
        Name = Node.Place,
        Reads = Node.Layer!.BackwardReads,
        XShapes = Node.InputShapes,
        YShape = Node.Shape,
        X = [.. X.Select(Memory)],
        Y = Memory(Y),
        W = [.. W.Zip(Node.Parameters, (slot, parameter) => Memory(slot)[..parameter.Length])],
        Saved = Memory(Saved),
        DY = Memory(DY),
        DX = [.. DX.Select(Memory)],
        DW = [.. DW.Zip(Node.Parameters, (slot, parameter) => slot is null ? default
            : Memory(slot)[..parameter.Length])],
        Seed = Seed,
        NodeIndex = Node.Index,
        Threads = Threads,
    };

    private static unsafe Memory<float> Memory(Slot? slot)
        => slot is null ? default : new NativeFloats(slot.Pointer, (int)Math.Min(slot.Floats, Array.MaxLength)).Memory;
}

/// <summary>Runs the forward pass of a layer in C#.</summary>
internal sealed class ManagedForward(FrameSlots slots, Layer layer, bool training) : Step(slots.All)
{
    private NodeMemory<float>? _memory;

    /// <inheritdoc/>
    public override void Bind() => _memory = slots.Bind();

    /// <inheritdoc/>
    public override void Run(in Run run)
        => new Frame<float>(_memory!, run.N, training, run.PassNumber, run.FirstSample, statistics: run.Statistics)
            .RunForward(layer);
}

/// <summary>Runs the backward pass of a layer in C#.</summary>
internal sealed class ManagedBackward(FrameSlots slots, Layer layer, bool training) : Step(slots.All)
{
    /// <inheritdoc/>
    public override ProfiledPass? Pass => ProfiledPass.Backward;

    private NodeMemory<float>? _memory;

    /// <inheritdoc/>
    public override void Bind() => _memory = slots.Bind();

    /// <inheritdoc/>
    public override void Run(in Run run)
        => new Frame<float>(_memory!, run.N, training, run.PassNumber, run.FirstSample, backward: true,
            run.Statistics).RunBackward(layer);
}
