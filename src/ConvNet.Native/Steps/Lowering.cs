using ConvNet.Native.Interop;
using ConvNet.Native.Steps;

namespace ConvNet.Native;

/// <summary>A step and its description.</summary>
/// <param name="Owner">The primitive that the step belongs to. Null if it belongs to the inputs or outputs.</param>
/// <param name="Step">The step.</param>
/// <param name="Choice">The algorithm and the reason for choosing it.</param>
internal readonly record struct PlannedStep(Primitive? Owner, Step Step, Choice Choice);

/// <summary>How the last contributor to a gradient completes it: dx = (own contribution + others)·slope.</summary>
/// <param name="DX">The gradient to write.</param>
/// <param name="Others">The sum of the other readers' gradients. Null if there are none or another step adds
/// them.</param>
/// <param name="Value">The output of the activation whose slope the gradient is multiplied by. Null if there is no such
/// activation or another step applies its slope.</param>
internal readonly record struct CompleteGradient(Slot DX, Slot? Others, Slot? Value);

/// <summary>Third planning pass: turns the operations of a graph into a list of steps over memory slots.</summary>
/// <remarks>
/// Primitives add their own steps. This class adds the reorders between layouts. If no primitive does so as part of its
/// own step, it also adds the steps that sum the gradients of a value with several readers and that multiply a gradient
/// by the slope of a fused activation.
/// </remarks>
internal sealed class Lowering
{
    private readonly FusedGraph _graph;
    private readonly Layouts _layouts;
    private readonly Func<Value, bool> _wantsGradient;
    private readonly Dictionary<(Value, cn_tensor), Slot> _values = [];
    private readonly Dictionary<Use, Slot> _gradients = [];
    private readonly Dictionary<Value, Slot> _inputs, _completed = [], _statistics = [], _again = [],
        _slicedGradients = [];
    private readonly Dictionary<Value, List<Slot>> _lossGradients = [];
    private readonly List<PlannedStep> _forward = [], _backward = [], _preparation = [];
    private readonly List<Boundary> _forwardBoundaries = [], _backwardBoundaries = [];
    private readonly List<LossStep> _losses = [];
    private Primitive? _owner;
    private bool _lowersBackward;

    private Lowering(PassSpec pass, FusedGraph graph, Layouts layouts, Func<Value, bool> wantsGradient,
        ParameterStore parameters)
    {
        (Pass, _graph, _layouts, _wantsGradient, Parameters) = (pass, graph, layouts, wantsGradient, parameters);
        _inputs = graph.Inputs.ToDictionary(input => input,
            input => new Slot(layouts.Written(input), pass.BatchSize, SlotOwner.Other));
        Inputs = [.. graph.Inputs.Select(input => _inputs[input])];
        InputGradients = new Slot?[graph.Inputs.Count];
    }

    /// <summary>The pass specification.</summary>
    public PassSpec Pass { get; }

    /// <summary>The seed of the random masks.</summary>
    public ulong Seed => Pass.Training?.Seed ?? 0;

    /// <summary>The parameters.</summary>
    public ParameterStore Parameters { get; }

    /// <summary>The caller's inputs, in the order of the graph's inputs. The pass sets their pointers before it runs
    /// the steps.</summary>
    public IReadOnlyList<Slot> Inputs { get; }

    /// <summary>The outputs in plain layout, in the order of the graph's outputs.</summary>
    public IReadOnlyList<Slot> Outputs { get; private set; } = [];

    /// <summary>The losses, in the order of the objectives. Empty unless the pass trains.</summary>
    public IReadOnlyList<LossStep> Losses => _losses;

    /// <summary>The gradients of the inputs in plain layout. Null for an input whose gradient is not needed.</summary>
    public Slot?[] InputGradients { get; }

    /// <summary>The steps that prepare parameters after they have been written.</summary>
    public IReadOnlyList<PlannedStep> PreparationSteps => _preparation;

    /// <summary>The steps of the forward pass.</summary>
    public IReadOnlyList<PlannedStep> ForwardSteps => _forward;

    /// <summary>The steps of the backward pass.</summary>
    public IReadOnlyList<PlannedStep> BackwardSteps => _backward;

    /// <summary>The tensors that operations exchange in the forward pass, in the order of the steps.</summary>
    public IReadOnlyList<Boundary> ForwardBoundaries => _forwardBoundaries;

    /// <summary>The tensors that operations exchange in the backward pass, in the order of the steps.</summary>
    public IReadOnlyList<Boundary> BackwardBoundaries => _backwardBoundaries;

    /// <summary>Creates the steps of a pass.</summary>
    /// <param name="pass">The pass specification.</param>
    /// <param name="graph">The graph after fusion.</param>
    /// <param name="layouts">The layouts of its values.</param>
    /// <param name="wantsGradient">Whether the gradient of a value is computed.</param>
    /// <param name="parameters">The parameters.</param>
    public static Lowering Apply(PassSpec pass, FusedGraph graph, Layouts layouts, Func<Value, bool> wantsGradient,
        ParameterStore parameters)
    {
        var plan = new Lowering(pass, graph, layouts, wantsGradient, parameters);
        plan.LowerForward();
        if (pass.Training is not null)
            plan.LowerBackward();
        return plan;
    }

    /// <summary>The graph after fusion.</summary>
    public FusedGraph Graph => _graph;

    /// <summary>The layouts of the values.</summary>
    public Layouts Layouts => _layouts;

    /// <summary>Adds a step to the pass that is being lowered.</summary>
    /// <param name="step">The step.</param>
    /// <param name="choice">The algorithm and the reason for choosing it.</param>
    public void Add(Step step, Choice choice) => (_lowersBackward ? _backward : _forward)
        .Add(new PlannedStep(_owner, step, choice));

    /// <summary>Adds a step that prepares parameters.</summary>
    /// <inheritdoc cref="Add" path="/param"/>
    public void AddPreparation(Step step, Choice choice) => _preparation.Add(new PlannedStep(_owner, step, choice));

    /// <summary>Returns an input of an operation in the layout that the operation reads.</summary>
    public Slot X(Primitive reader, int input = 0)
        => ValueAs(reader.Operation.Inputs[input], _layouts.Read(reader, input));

    /// <summary>Returns the output of an operation.</summary>
    public Slot Y(Primitive producer)
        => _values[(producer.Operation.Output, _layouts.Written(producer.Operation.Output))];

    /// <summary>Returns whether a parameter is trained.</summary>
    public bool Trains(Parameter parameter) => Pass.Frozen.Trains(parameter);

    /// <summary>Returns whether the gradient of a value is computed.</summary>
    public bool WantsGradient(Value value) => _wantsGradient(value);

    /// <summary>Returns whether the gradient of an input is needed.</summary>
    public bool WantsDX(Primitive reader, int input = 0) => _wantsGradient(reader.Operation.Inputs[input]);

    /// <summary>Returns the slot to which the operation writes the gradient of an input, or null if it is not
    /// needed.</summary>
    public Slot? DX(Primitive reader, int input = 0)
    {
        if (!WantsDX(reader, input))
            return null;
        cn_tensor tensor = _layouts.GradientOfInput(reader, input);
        Slot slot = _layouts.IsSoleReader(reader, input) ? GradientSlot(reader.Operation.Inputs[input], tensor)
            : new Slot(tensor, Pass.BatchSize);
        _gradients.Add(new Use(reader.Operation, input), slot);
        return slot;
    }

    /// <summary>Like <see cref="DX"/>, for an operation that can complete the gradient of its first input in the same
    /// step as its own contribution.</summary>
    public CompleteGradient? CompleteDX(Primitive reader)
    {
        Value value = reader.Operation.Inputs[0];
        if (!Pass.Fuse || !WantsDX(reader) || !_layouts.CompletesGradient(reader))
            return DX(reader) is { } dx ? new CompleteGradient(dx, null, null) : null;
        cn_tensor tensor = _layouts.Gradient(value);
        Slot? others = SumOf(value, [.. GradientsOf(value, _layouts.GradientUses(value).Skip(1))],
            tensor with { halo = 0 });
        bool slopes = value.Producer is { HasSlope: true } producer && !_layouts.Of(producer).TakesSlope;
        _completed[value] = GradientSlot(value, tensor);
        return new CompleteGradient(_completed[value], others, slopes ? X(reader) : null);
    }

    /// <summary>Returns the slot to which the operation writes the row statistics of its output, or null if they are
    /// not needed.</summary>
    public Slot? GiveStatistics(Primitive producer)
        => producer.Operation.GivesStatistics ? _statistics[producer.Operation.Output] =
            StatisticsSlot(Y(producer).Tensor) : null;

    /// <summary>Returns the row statistics of the first input.</summary>
    public Slot Statistics(Primitive reader)
    {
        if (_statistics.TryGetValue(reader.Operation.Inputs[0], out Slot? given))
            return given;
        Slot x = X(reader), statistics = StatisticsSlot(x.Tensor);
        Add(new RowStatistics(x, statistics), Choice.OnePass("the step that writes the rows does not compute them"));
        return statistics;
    }

    /// <summary>Returns the slot of the gradient of a slice's input. The slices of a value share it unless they
    /// overlap. Channels that no slice writes are zero.</summary>
    public Slot SlicedGradient(SlicePrimitive slice)
    {
        Value value = slice.Operation.Inputs[0];
        bool shares = _layouts.SharesSlicedGradient(value);
        if (shares && _slicedGradients.TryGetValue(value, out Slot? known))
            return known;
        cn_tensor tensor = slice.X(0) with { halo = _layouts.Gradient(value).halo };
        var slot = new Slot(tensor, Pass.BatchSize);
        if (!shares || _layouts.SlicesOf(value).Sum(each => each.Channels) < tensor.c)
            Add(new ZeroStep(slot), Choice.OnePass("no slice writes the other channels"));
        if (shares)
            _slicedGradients[value] = slot;
        return slot;
    }

    /// <summary>Uses the gradient of the output as the gradient of an input.</summary>
    public void PassGradient(Primitive reader, int input, Slot dy)
        => _gradients.Add(new Use(reader.Operation, input), dy);

    /// <summary>Returns memory that only one step uses, or null if the step needs none.</summary>
    /// <param name="bytesFor">Returns the number of bytes for a given number of samples.</param>
    public Slot? Workspace(Func<int, long> bytesFor)
    {
        // A smaller batch may be split into different chunks, so the full batch may not need the most workspace.
        long floats = DecisiveBatches(Pass.BatchSize, Pass.Context.threads).Max(bytesFor).FloatsOrThrow();
        return floats > 0 ? new Slot(floats) { IsWorkspace = true } : null;
    }

    /// <summary>Returns memory for a pass of a convolution, or null if it needs none.</summary>
    public unsafe Slot? Workspace(cn_conv2d conv, Epilogue epilogue, cn_pass pass)
        => Workspace(n => ConvKernels.Describe(Pass.Context, conv, epilogue.Pointer, pass, n).workspace);

    /// <summary>Describes a pass of a convolution over a full batch.</summary>
    /// <param name="conv">The convolution and the algorithm of the pass.</param>
    /// <param name="epilogue">The epilogue.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="selected">The reason for the algorithm. Empty if there is only one.</param>
    public unsafe Choice Describe(in cn_conv2d conv, Epilogue epilogue, cn_pass pass, string selected)
        => Algorithms.Of(conv, pass, ConvKernels.Describe(Pass.Context, conv, epilogue.Pointer, pass, Pass.BatchSize),
            selected);

    /// <summary>Returns batch sizes of which at least one needs as much workspace as any size up to the full
    /// batch.</summary>
    /// <remarks>
    /// For batches of more than a few hundred samples, the units and chunks of a convolution either no longer depend on
    /// the batch size or are balanced between the threads. In the second case the largest unit occurs at a batch size
    /// that gives every thread the same number of units. A linear layer treats the samples as pixels, in rows of at
    /// most 256, so the largest batch with full rows needs the most.
    /// </remarks>
    /// <param name="batch">The number of samples in a full batch.</param>
    /// <param name="threads">The number of threads.</param>
    internal static IEnumerable<int> DecisiveBatches(int batch, int threads)
    {
        const int All = 4096, Rows = 256;
        if (batch <= All)
            return Enumerable.Range(1, batch);
        IEnumerable<int> even = Enumerable.Range(1, Rows).Select(rows => batch / (rows * threads) * rows * threads);
        return [.. Enumerable.Range(1, All), .. Enumerable.Range(batch - Rows + 1, Rows), .. even.Where(n => n > 0)];
    }

    private void LowerForward()
    {
        foreach (Primitive primitive in _layouts.Primitives)
            Lower(primitive, LowerForward);
        Outputs = [.. _graph.Outputs.Select(Plain)];
    }

    private Slot Plain(Value value)
        => ValueAs(value, _layouts.Written(value) with { layout = cn_layout.CN_PLAIN, halo = 0 });

    private void LowerBackward()
    {
        for (int i = 0; i < _graph.Objectives.Count; i++)
        {
            Value value = _graph.Objectives[i];
            Slot output = Plain(value), gradient = new(output.Tensor, Pass.BatchSize);
            _losses.Add(new LossStep(Pass.Objectives[i], output, gradient));
            if (!_lossGradients.TryGetValue(value, out List<Slot>? gradients))
                _lossGradients.Add(value, gradients = []);
            gradients.Add(gradient);
        }
        _lowersBackward = true;
        foreach (Primitive primitive in _layouts.Primitives.Reverse())
        {
            if (_wantsGradient(primitive.Operation.Output))
                Lower(primitive, LowerBackward);
        }
        for (int i = 0; i < _graph.Inputs.Count; i++)
        {
            if (_wantsGradient(_graph.Inputs[i]))
                InputGradients[i] = GatherGradient(_graph.Inputs[i]);
        }
        for (int i = 0; i < _backwardBoundaries.Count; i++)
        {
            if (_backwardBoundaries[i] is { Kind: TracedKind.RecomputedOutput } boundary)
                _backwardBoundaries[i] = boundary with { IsReplaceable = !IsReadElsewhere(boundary) };
        }
    }

    // Returns whether steps after a recomputed output read what the forward pass has kept of it in another layout.
    private bool IsReadElsewhere(Boundary recomputed)
    {
        HashSet<Slot> kept = [.. _values.Where(each => each.Key.Item1 == recomputed.Operation.Output)
            .Select(each => each.Value)];
        return _backward.Skip(recomputed.Step).Any(step => step.Step.Slots.Any(kept.Contains));
    }

    private void Lower(Primitive primitive, Action<Primitive> lower)
    {
        _owner = primitive;
        try
        {
            lower(primitive);
        }
        catch (NativeCallException error)
        {
            throw NativeLimits.Refused(primitive.Operation.Node, error);
        }
        _owner = null;
    }

    private void LowerForward(Primitive primitive)
    {
        Value y = primitive.Operation.Output;
        // Copies of the inputs are requested before the output, so that the steps are listed in data-flow order.
        for (int i = 0; i < primitive.Operation.Inputs.Count; i++)
            X(primitive, i);
        Written(y);
        primitive.Forward(this);
        // Where a kernel has computed statistics of the output, it has been read; where slices of it are outputs of
        // other operations, it is their memory; and a view is the memory of another output.
        _forwardBoundaries.Add(new Boundary(_forward.Count, primitive.Operation, TracedKind.Output, Y(primitive),
            !primitive.Operation.GivesStatistics && !_layouts.HasSlices(y) && !_layouts.IsView(y)));
    }

    // Returns memory for the complete gradient of a value: if the value is a view, part of that of the whole.
    private Slot GradientSlot(Value value, cn_tensor tensor)
        => Pass.Fuse && value.Producer is { } producer
            && _layouts.Of(producer) is SlicePrimitive { CanSlice: true } slice && WantsDX(slice)
            && _layouts.SharesSlicedGradient(slice.Operation.Inputs[0])
                ? SlicedGradient(slice).Slice(slice.Channel, slice.Channels, Pass.BatchSize)
                : new Slot(tensor, Pass.BatchSize);

    // Returns the slot that the producer of a value writes: its own memory, or a slice of the output of the
    // concatenation that reads it and comes later in the plan.
    private Slot Written(Value value)
    {
        cn_tensor tensor = _layouts.Written(value);
        if (_values.TryGetValue((value, tensor), out Slot? slot))
            return slot;
        return _values[(value, tensor)] = _layouts.SliceOf(value) is { } slice
            ? Written(slice.Whole).Slice(slice.Channel, tensor.c, Pass.BatchSize)
            : new Slot(tensor, Pass.BatchSize);
    }

    private void LowerBackward(Primitive primitive)
    {
        Value y = primitive.Operation.Output;
        Slot dy = GatherGradient(y);
        if (primitive.Operation.HasSlope && !primitive.TakesSlope && !_completed.ContainsKey(y))
            dy = Slope(primitive, dy);
        bool sloped = primitive.Operation.SlopeIsMoved || primitive.Operation.HasSlope && !primitive.TakesSlope;
        _backwardBoundaries.Add(new Boundary(_backward.Count, primitive.Operation,
            sloped ? TracedKind.GradientBeforeActivation : TracedKind.Gradient, dy, !dy.Shared));
        primitive.Backward(this, dy);
    }

    // An input has no slot of its own. Every layout of it is a copy, because the caller's memory is no longer available
    // when the backward pass runs.
    private Slot ValueAs(Value value, cn_tensor tensor)
    {
        if (_lowersBackward && Again(value, tensor) is { } again)
            return again;
        if (_values.TryGetValue((value, tensor), out Slot? slot))
            return slot;
        Slot from = value.Producer is null ? _inputs[value] : _values[(value, _layouts.Written(value))];
        return _values[(value, tensor)] = Reorder(from, tensor);
    }

    // A value that is cheap to recompute is not kept for the backward pass, which saves memory. A slice is kept
    // together with the whole tensor.
    private Slot? Again(Value value, cn_tensor tensor)
    {
        if (value.Producer is not { } operation || tensor != _layouts.Written(value) || _layouts.Of(operation)
            is not { RunsAgain: true } producer || _layouts.SliceOf(value) is not null)
            return null;
        if (_again.TryGetValue(value, out Slot? slot))
            return slot;
        _again[value] = slot = new Slot(tensor, Pass.BatchSize);
        producer.RunAgain(this, slot);
        _backwardBoundaries.Add(new Boundary(_backward.Count, operation, TracedKind.RecomputedOutput, slot, true));
        return slot;
    }

    private Slot Reorder(Slot from, cn_tensor to)
    {
        cn_tensor source = from.Tensor, view = to;
        if ((source.c, source.h, source.w) != (to.c, to.h, to.w))
        {
            // For a flattened value the element order of both sides agrees only in plain layout without a halo.
            if (IsLinear(source))
                source = to with { layout = cn_layout.CN_PLAIN, halo = 0 };
            else if (IsLinear(to))
                view = source with { layout = cn_layout.CN_PLAIN, halo = 0, sample_stride = 0 };
            else
                return Reorder(Reorder(from, to with { layout = cn_layout.CN_PLAIN, halo = 0 }), to);
        }
        var slot = new Slot(to, Pass.BatchSize);
        Add(new ReorderStep(source, view, from, slot), Choice.OnePass($"{Described(source)} to {Described(view)}: "
            + $"{(from.Owner == SlotOwner.Other ? "the input is plain" : "producer and consumer differ in layout")}"));
        return slot;
    }

    private static string Described(cn_tensor tensor) => Explanation.Of(tensor, 1).ToString();

    private static bool IsLinear(cn_tensor tensor)
        => tensor is { layout: cn_layout.CN_PLAIN, halo: 0, sample_stride: 0 };

    // Returns the contributions of uses of a value, the last first. The slices that share one contribute once.
    private IEnumerable<Slot> GradientsOf(Value value, IEnumerable<Use> uses)
    {
        Slot? shared = _slicedGradients.GetValueOrDefault(value);
        bool contributed = false;
        foreach (Use use in uses.Reverse())
        {
            Slot slot = _gradients[use];
            if (slot != shared || !contributed)
                yield return slot;
            contributed |= slot == shared;
        }
    }

    // Sums the contributions of a value's readers and losses to its gradient.
    private Slot GatherGradient(Value value)
    {
        if (_completed.TryGetValue(value, out Slot? completed))
            return completed;
        return SumOf(value, [.. _lossGradients.GetValueOrDefault(value, []),
            .. GradientsOf(value, _layouts.GradientUses(value))], _layouts.Gradient(value))!;
    }

    private Slot? SumOf(Value value, Slot[] gradients, cn_tensor tensor)
    {
        if (gradients.Length < 2)
            return gradients.Length == 0 ? null : InLayoutOf(tensor, gradients[0]);
        // Pairwise summation, which limits the rounding error when there are many readers.
        int half = (gradients.Length + 1) / 2;
        Slot first = SumOf(value, gradients[..half], tensor)!, second = SumOf(value, gradients[half..], tensor)!;
        Slot sum = half > 1 ? first : new Slot(tensor, Pass.BatchSize);
        Add(new AddStep(first, second, sum, default),
            Choice.OnePass($"{value.Node.Name} has several consumers, whose gradients are summed"));
        return sum;
    }

    private Slot StatisticsSlot(cn_tensor tensor)
        => new(Convnet.cn_row_statistics_bytes(tensor, Pass.BatchSize).FloatsOrThrow());

    private Slot InLayoutOf(cn_tensor tensor, Slot slot)
        => slot.Tensor with { halo = tensor.halo, sample_stride = tensor.sample_stride } == tensor
            && slot.Tensor.halo >= tensor.halo ? slot : Reorder(slot, tensor);

    private Slot Slope(Primitive primitive, Slot dy)
    {
        Slot sloped = dy.Shared ? new Slot(dy.Tensor, Pass.BatchSize) : dy;
        Add(new ActivationBackward(Y(primitive), dy, sloped, primitive.Operation.Slope),
            Choice.OnePass("the slope of the fused activation"));
        return sloped;
    }
}
