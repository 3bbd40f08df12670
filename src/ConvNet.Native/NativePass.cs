using ConvNet.Native.Interop;
using ConvNet.Native.Steps;
using ConvNet.Planning;
using ConvNet.Profiling;

namespace ConvNet.Native;

/// <summary>Last planning pass and its result: the steps of one kind of pass, with an arena of their own.</summary>
/// <remarks>An arena slot is live from the first step that uses it to the last. Slots whose lifetimes do not overlap
/// share memory.</remarks>
internal sealed unsafe class NativePass : IDisposable
{
    private readonly cn_context _context;
    private readonly Lowering _plan;
    private readonly Tracing _tracing;
    private readonly Placement _arena, _own;
    private readonly Dictionary<Node, Primitive> _primitives;
    private NativeBlock? _arenaBlock, _ownBlock;
    private Step[] _preparation, _forward, _backward;
    private Parameter[][]? _finished;
    private Recording? _recording;

    private NativePass(Lowering plan)
    {
        _plan = plan;
        _context = plan.Pass.Context;
        _tracing = new Tracing(plan);
        (_preparation, _forward, _backward) = (Steps(plan.PreparationSteps), Steps(plan.ForwardSteps),
            Steps(plan.BackwardSteps));
        _primitives = plan.Layouts.Primitives.ToDictionary(primitive => primitive.Operation.Node);
        _arena = PlaceArena();
        _own = PlaceOwn();
    }

    /// <summary>Plans a pass over a graph. <see cref="Allocate"/> allocates the memory that it needs to run.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="pass">The pass specification.</param>
    /// <param name="parameters">Receives the parameters. If there are none yet, they are created for the primitives of
    /// the pass.</param>
    public static NativePass Plan(Graph graph, PassSpec pass,
        Func<IEnumerable<Primitive>, ParameterStore> parameters)
    {
        var liveness = new Liveness(graph, pass.Objectives, pass.Training?.InputGradient ?? false, pass.Frozen);
        bool WantsGradient(Value value) => liveness.WantsGradient(value.Node);
        FusedGraph fused = Fusion.Apply(graph, pass);
        var layouts = Layouts.Apply(fused, pass, WantsGradient);
        return new NativePass(Lowering.Apply(pass, fused, layouts, WantsGradient,
            parameters(layouts.Primitives)));
    }

    /// <summary>Allocates the memory and assigns an address to every slot.</summary>
    /// <exception cref="OutOfMemoryException">The memory is insufficient.</exception>
    public void Allocate()
    {
        _arenaBlock = _arena.Allocate(clear: false);
        _ownBlock = _own.Allocate(clear: true);
        foreach (Step step in _preparation.Concat(_forward).Concat(_backward))
            step.Bind();
    }

    /// <summary>The steps of the forward pass.</summary>
    public IReadOnlyList<Step> ForwardSteps => _forward;

    /// <summary>The steps of the backward pass.</summary>
    public IReadOnlyList<Step> BackwardSteps => _backward;

    /// <summary>The operations in the order of the forward pass.</summary>
    public IReadOnlyList<TracedOperation> Operations => _tracing.Operations;

    /// <summary>Receives the tensors between the operations. Null shows nothing.</summary>
    public TraceCallback? Trace
    {
        get => _tracing.Callback;
        set
        {
            _tracing.Callback = value;
            if (value is null)
                _tracing.Dispose();
        }
    }

    /// <summary>The number of floats in the arena.</summary>
    public long ArenaFloats => _arena.Floats;

    /// <summary>The number of bytes that <see cref="Allocate"/> allocates.</summary>
    public long Bytes => sizeof(float) * (_arena.Floats + _own.Floats);

    /// <summary>Fills the arena with NaN.</summary>
    public void Poison()
    {
        for (long i = 0; i < _arenaBlock!.Length; i++)
            _arenaBlock.Pointer[i] = float.NaN;
    }

    /// <summary>Computes the values that depend only on parameters, after these have been written.</summary>
    public void Prepare() => RunSome(_preparation, new Run(_context, 0, 0));

    /// <summary>Computes the outputs.</summary>
    /// <param name="input">The values of the inputs, in the order of the graph's inputs.</param>
    /// <param name="run">The arguments of the steps.</param>
    public void Forward(BatchValues input, in Run run) => Forward(0, input, run);

    /// <summary>Returns the step that computes a loss.</summary>
    /// <param name="index">The index of the objective.</param>
    public LossStep LossStep(int index) => _plan.Losses[index];

    /// <summary>Computes a loss and its gradient.</summary>
    /// <param name="index">The index of the objective.</param>
    /// <param name="targets">The targets of the output.</param>
    /// <param name="n">The number of samples.</param>
    /// <param name="factor">The factor of the gradient.</param>
    public double Loss(int index, Targets targets, int n, float factor)
        => _plan.Losses[index].Evaluate(new Run(_context, n, 0), targets, factor);

    /// <summary>Returns the gradient of a loss, from which the backward pass starts.</summary>
    public Span<float> LossGradient(int index, int n) => _plan.Losses[index].Gradient(n);

    /// <summary>Computes the gradients.</summary>
    /// <param name="run">The arguments of the steps.</param>
    public void Backward(in Run run) => RunAll(_backward, _plan.BackwardBoundaries, run);

    /// <summary>Computes the gradients and reports each gradient when it is final.</summary>
    /// <param name="run">The arguments of the steps.</param>
    /// <param name="isFinal">Called for each parameter after the last step that writes its gradient.</param>
    public void Backward(in Run run, Action<Parameter> isFinal)
    {
        _finished ??= FinishedBySteps();
        RunAll(_backward, _plan.BackwardBoundaries, run, ran =>
        {
            foreach (Parameter parameter in _finished[ran])
                isFinal(parameter);
        });
    }

    /// <summary>Reads an output of the last forward pass.</summary>
    /// <param name="index">The index of the output in the graph.</param>
    /// <param name="values">Receives the values.</param>
    public void ReadOutput(int index, Span<float> values)
        => new ReadOnlySpan<float>(_plan.Outputs[index].Pointer, values.Length).CopyTo(values);

    /// <summary>Reads the gradient of an input from the last backward pass. It is zero if the input has no
    /// gradient.</summary>
    /// <param name="index">The index of the input in the graph.</param>
    /// <param name="values">Receives the values.</param>
    public void ReadInputGradient(int index, Span<float> values)
    {
        if (_plan.InputGradients[index] is { } gradient)
            new ReadOnlySpan<float>(gradient.Pointer, values.Length).CopyTo(values);
        else
            values.Clear();
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        _arenaBlock?.Dispose();
        _ownBlock?.Dispose();
        _tracing.Dispose();
    }

    /// <summary>Returns the algorithm of a node's pass.</summary>
    public SumAlgorithm AlgorithmOf(Node node, SumPass pass)
        => _primitives.TryGetValue(node, out Primitive? primitive) ? primitive.AlgorithmOf(pass) : SumAlgorithm.Direct;

    /// <summary>Describes the steps and the reasons for their algorithms.</summary>
    public PlanDescription Explain() => Explanation.Of(_plan, ArenaFloats, _own.Floats);

    /// <summary>Starts to time the steps, by replacing them with timed steps, and the intervals of
    /// <see cref="TimeLoss"/> and <see cref="TimeUpdate"/>.</summary>
    public Recording Record()
    {
        if (_recording is not null)
            throw new InvalidOperationException("The executable is already being recorded. Dispose that recording "
                + "first.");
        int part = 0;
        var recording = new Recording(Explanation.Parts(_plan), EndRecording);
        Step[] Timed(IEnumerable<Step> steps) => [.. steps.Select(step => new TimedStep(step, recording, part++))];
        (_preparation, _forward, _backward) = (Timed(_preparation), Timed(_forward), Timed(_backward));
        return _recording = recording;
    }

    /// <summary>Whether a recording is active.</summary>
    public bool IsRecorded => _recording is not null;

    /// <summary>Times the loss until the result is disposed, if a recording is active.</summary>
    public PartTimer TimeLoss() => new(_recording, StepCount);

    /// <summary>Times the optimiser step until the result is disposed, if a recording is active.</summary>
    public PartTimer TimeUpdate() => new(_recording, StepCount + 1);

    private int StepCount => _preparation.Length + _forward.Length + _backward.Length;

    private void EndRecording()
    {
        _recording = null;
        (_preparation, _forward, _backward) = (Steps(_plan.PreparationSteps), Steps(_plan.ForwardSteps),
            Steps(_plan.BackwardSteps));
    }

    private static Step[] Steps(IEnumerable<PlannedStep> planned) => [.. planned.Select(step => step.Step)];

    // Each recursion level pins one input while the remaining inputs are pinned.
    private void Forward(int index, BatchValues input, in Run run)
    {
        if (index == _plan.Inputs.Count)
        {
            RunAll(_forward, _plan.ForwardBoundaries, run);
            return;
        }
        fixed (float* pointer = CallerSpan.Aligned(input[index]))
        {
            _plan.Inputs[index].Pointer = pointer;
            Forward(index + 1, input, run);
            _plan.Inputs[index].Pointer = null;
        }
    }

    // Calls ran with the index of each step that has run.
    private void RunAll(Step[] steps, IReadOnlyList<Boundary> boundaries, in Run run, Action<int>? ran = null)
    {
        int from = 0;
        if (Trace is not null)
        {
            foreach (Boundary boundary in boundaries)
            {
                RunSome(steps.AsSpan(from..boundary.Step), run, from, ran);
                _tracing.Show(boundary, run);
                from = boundary.Step;
            }
        }
        RunSome(steps.AsSpan(from..), run, from, ran);
    }

    private static void RunSome(ReadOnlySpan<Step> steps, in Run run, int from = 0, Action<int>? ran = null)
    {
        for (int i = 0; i < steps.Length; i++)
        {
            steps[i].Run(run);
            ran?.Invoke(from + i);
        }
    }

    // For each backward step, the parameters whose gradients it is the last to write.
    private Parameter[][] FinishedBySteps()
    {
        var last = new Dictionary<Parameter, int>();
        for (int i = 0; i < _plan.BackwardSteps.Count; i++)
        {
            foreach (Slot slot in _plan.BackwardSteps[i].Step.Slots.Where(slot => slot.Owner == SlotOwner.Other))
            {
                if (_plan.Parameters.WithGradientIn(slot) is { } parameter)
                    last[parameter] = i;
            }
        }
        ILookup<int, Parameter> finished = last.ToLookup(each => each.Value, each => each.Key);
        return [.. Enumerable.Range(0, _plan.BackwardSteps.Count).Select(i => finished[i].ToArray())];
    }

    private Placement PlaceArena()
    {
        var lifetimes = new Dictionary<Slot, Lifetime>();
        int time = 0;
        void Touch(IEnumerable<Slot> slots)
        {
            foreach (Slot slot in slots.Select(slot => slot.Memory).Where(slot => slot.Owner == SlotOwner.Arena))
                lifetimes[slot] = lifetimes.TryGetValue(slot, out Lifetime life) ? life with { Last = time }
                    : new Lifetime(slot.Floats, time, time);
            time++;
        }
        foreach (Step step in _forward)
            Touch(step.Slots);
        // Outputs can be read until the backward pass starts, and input gradients until the next forward pass.
        Touch([.. _plan.Outputs, .. _plan.Losses.SelectMany(loss => loss.Slots)]);
        foreach (Step step in _backward)
            Touch(step.Slots);
        Touch(_plan.InputGradients.OfType<Slot>());

        Slot[] slots = [.. lifetimes.Keys];
        Arena plan = Arena.Plan([.. slots.Select(slot => lifetimes[slot])], Convnet.CN_BLOCK);
        return new Placement(slots, plan.Offsets, plan.Length);
    }

    private Placement PlaceOwn()
    {
        IEnumerable<Step> steps = _preparation.Concat(_forward).Concat(_backward);
        Slot[] slots = [.. steps.SelectMany(step => step.Slots).Where(slot => slot.Owner == SlotOwner.Pass).Distinct()];
        var offsets = new long[slots.Length];
        long end = 0;
        for (int i = 0; i < slots.Length; i++)
        {
            offsets[i] = end;
            end += (slots[i].Floats + Convnet.CN_BLOCK - 1) / Convnet.CN_BLOCK * Convnet.CN_BLOCK;
        }
        return new Placement(slots, offsets, end);
    }

    /// <summary>The positions of slots in a block.</summary>
    /// <param name="Slots">The slots.</param>
    /// <param name="Offsets">The offset of each slot.</param>
    /// <param name="Floats">The number of floats in the block.</param>
    private sealed record Placement(Slot[] Slots, long[] Offsets, long Floats)
    {
        /// <summary>Allocates the block and sets the pointers of the slots.</summary>
        public NativeBlock Allocate(bool clear)
        {
            var block = new NativeBlock(Floats, clear);
            for (int i = 0; i < Slots.Length; i++)
                Slots[i].Pointer = block.Pointer + Offsets[i];
            return block;
        }
    }
}
