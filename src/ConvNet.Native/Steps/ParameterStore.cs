using System.Diagnostics;
using ConvNet.Native.Interop;
using ConvNet.Native.Steps;

namespace ConvNet.Native;

/// <summary>All parameters of an executable in packed form, in one block. The optimiser state is in a second block with
/// the same order.</summary>
/// <remarks>
/// Trainable parameters come first, in the order in which gradients are reported. Among these, the parameters whose
/// optimiser step can run as part of the weight gradient precede the others. All other parameters and buffers follow.
/// Gradients of the parameters updated as part of the weight gradient take memory only if they are kept or if a
/// backward pass runs separately from the step. If a layer runs in C#, all gradients are kept: the layer may throw
/// during the backward pass, and no parameter may have changed by then.
/// </remarks>
internal sealed unsafe class ParameterStore : IDisposable
{
    private readonly cn_context _context;
    private readonly Packing[] _packings;
    private readonly Slot[] _values;
    private readonly Slot?[] _gradients;
    private readonly long[] _offsets;
    private readonly Parameter[] _buffers;
    private readonly ParameterOptions[] _options;
    private readonly long _valueFloats, _trainedFloats, _firstBuffer;
    private readonly FrozenParameters _frozen;
    private readonly IReadOnlyList<IReadOnlyList<Parameter>> _buckets;
    private readonly int _stateNames;
    private readonly Optimizer? _optimizer;
    private readonly cn_optimizer? _kernel;
    private readonly GradientRegion? _inside, _apart;
    private ManagedUpdate? _managed;
    private NativeBlock? _valueBlock, _stateBlock, _keptBuffers, _keptValues, _keptState;

    /// <summary>Determines the layout of the parameters. <see cref="Allocate"/> allocates the memory.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="primitives">The primitives, which define the packing of the parameters.</param>
    /// <param name="frozen">The parameters that are not updated.</param>
    /// <param name="optimizer">The optimiser. Null if the executable does not train.</param>
    /// <param name="buckets">The parameters that the optimiser updates, in the order in which gradients are
    /// reported.</param>
    /// <param name="keepGradients">Whether gradients can be read after every step.</param>
    /// <param name="context">The context that runs the kernels: instruction set and thread count.</param>
    public ParameterStore(Graph graph, IEnumerable<Primitive> primitives, FrozenParameters frozen, Optimizer? optimizer,
        IReadOnlyList<IReadOnlyList<Parameter>> buckets, bool keepGradients, cn_context context)
    {
        (_context, _optimizer, _frozen, _buckets) = (context, optimizer, frozen, buckets);
        _kernel = optimizer is null ? null : OptimizerKernels.Of(optimizer);
        _options = optimizer is null ? [] : [.. graph.Parameters.Select(optimizer.OptionsOf)];
        _stateNames = optimizer?.StateNames.Count ?? 0;
        primitives = [.. primitives];
        KeepsGradients = keepGradients || _kernel is null || primitives.Any(primitive => primitive is ManagedPrimitive);
        int count = graph.Parameters.Count;
        (_packings, _values, _gradients, _offsets) = (new Packing[count], new Slot[count], new Slot?[count],
            new long[count]);
        var inside = new HashSet<Parameter>();
        foreach (Primitive primitive in primitives)
        {
            foreach (Parameter p in primitive.Operation.Node.Parameters.Concat(primitive.Operation.Norm?.Parameters
                ?? []))
                _packings[p.Index] = primitive.PackingOf(p);
            // A bias whose weights are frozen has no weight gradient kernel to run its step.
            Node node = primitive.Operation.Node;
            if (!KeepsGradients && primitive.StepsInside && _frozen.Trains(node.Parameters[0]))
                inside.UnionWith(node.Parameters.Take(primitive.BiasWithWeights ? 2 : 1).Where(_frozen.Trains));
        }
        // In bucket order, so that each bucket is contiguous if all parameters are updated separately.
        Parameter[] trained = [.. buckets.SelectMany(p => p)], first = [.. trained.Where(inside.Contains)],
            then = [.. trained.Where(p => !inside.Contains(p))];
        long middle = Arrange(first, 0);
        _trainedFloats = Arrange(then, middle);
        _firstBuffer = Arrange(graph.Parameters.Where(p => p.Trainable).Except(trained), _trainedFloats);
        _valueFloats = Arrange(graph.Parameters.Where(p => !p.Trainable), _firstBuffer);
        foreach (Parameter p in graph.Parameters)
            _values[p.Index] = new Slot(_packings[p.Index].Floats, SlotOwner.Other);
        _buffers = [.. graph.Parameters.Where(p => !p.Trainable)];
        if (optimizer is null)
            return;
        _inside = Region(first, 0, middle);
        _apart = Region(then, middle, _trainedFloats);
    }

    /// <summary>Allocates the memory. Buffers are set to their initial values and everything else to zero.</summary>
    /// <exception cref="OutOfMemoryException">The memory is insufficient.</exception>
    public void Allocate()
    {
        _valueBlock = new NativeBlock(_valueFloats, clear: true);
        for (int i = 0; i < _values.Length; i++)
            _values[i].Pointer = _valueBlock.Pointer + _offsets[i];
        foreach (Parameter p in _buffers)
            Write(p, [.. Enumerable.Repeat(p.Initial.Value!.Value, p.Length)]);
        if (_optimizer is null)
            return;
        _keptBuffers = new NativeBlock(_valueFloats - _firstBuffer, clear: false);
        if (_stateNames > 0)
            _stateBlock = new NativeBlock(_stateNames * _trainedFloats, clear: true);
        if (_kernel is null)
            _managed = new ManagedUpdate(_optimizer, [.. _inside!.Parameters, .. _apart!.Parameters], _context);
        if (_optimizer.MayThrow)
        {
            _keptValues = new NativeBlock(_trainedFloats, clear: false);
            _keptState = new NativeBlock(_stateNames * _trainedFloats, clear: false);
        }
        _apart!.Allocate();
        if (KeepsGradients)
            _inside!.Allocate();
    }

    /// <summary>Whether gradients can be read after every step.</summary>
    public bool KeepsGradients { get; }

    /// <summary>The bytes of the values, of the gradients that a training step stores, and of the optimiser
    /// state.</summary>
    public (long Values, long Gradients, long State) Bytes
        => (sizeof(float) * _valueFloats, sizeof(float) * RestFloats, sizeof(float) * _stateNames * _trainedFloats);

    /// <summary>The number of state values that the optimiser keeps for each parameter value.</summary>
    public int StateNames => _stateNames;

    /// <summary>Whether the optimiser runs in C#.</summary>
    public bool StepsInCSharp => _optimizer is not null && _kernel is null;

    /// <summary>Returns whether a parameter is trained.</summary>
    public bool Trains(Parameter parameter) => _frozen.Trains(parameter);

    /// <summary>The number of floats of the parameters that are updated after the backward pass.</summary>
    public long RestFloats => (KeepsGradients ? _inside?.Length ?? 0 : 0) + (_apart?.Length ?? 0);

    /// <summary>Returns the slot of a parameter's values.</summary>
    public Slot Values(Parameter parameter) => _values[parameter.Index];

    /// <summary>Returns the slot of a parameter's gradient.</summary>
    public Slot Gradient(Parameter parameter)
        => _gradients[parameter.Index] ?? throw new UnreachableException($"{parameter.Name} has no gradient.");

    /// <summary>The optimiser without a step number. Requires an optimiser with a kernel.</summary>
    public cn_optimizer Kernel => _kernel!.Value;

    /// <summary>Describes a parameter for an optimiser step with a learning rate of 1. Requires allocated
    /// memory.</summary>
    public cn_parameter Describe(Parameter parameter)
    {
        ParameterOptions options = _options[parameter.Index];
        return new cn_parameter
        {
            values = Values(parameter).Pointer,
            state0 = State(0, _offsets[parameter.Index]),
            state1 = State(1, _offsets[parameter.Index]),
            state2 = State(2, _offsets[parameter.Index]),
            state3 = State(3, _offsets[parameter.Index]),
            learning_rate = options.LearningRateFactor,
            weight_decay = options.WeightDecay,
        };
    }

    /// <summary>Reads the values of a parameter.</summary>
    public void Read(Parameter parameter, Span<float> values) => Unpack(parameter, Values(parameter).Pointer, values);

    /// <summary>Writes the values of a parameter.</summary>
    public void Write(Parameter parameter, ReadOnlySpan<float> values)
        => Pack(parameter, values, Values(parameter).Pointer);

    /// <summary>Reads the gradient of a parameter.</summary>
    public void ReadGradient(Parameter parameter, Span<float> values)
        => Unpack(parameter, Gradient(parameter).Pointer, values);

    /// <summary>Writes the gradient of a parameter.</summary>
    public void WriteGradient(Parameter parameter, ReadOnlySpan<float> values)
        => Pack(parameter, values, Gradient(parameter).Pointer);

    /// <summary>Returns the sum of the squares of a gradient.</summary>
    public double GradientSquares(Parameter parameter)
    {
        Slot gradient = Gradient(parameter);
        var sums = new double[(gradient.Floats + Convnet.CN_SUM_RUN - 1) / Convnet.CN_SUM_RUN];
        fixed (double* pointer = sums)
            Convnet.cn_sums_of_squares(_context, gradient.Floats, gradient.Pointer, pointer).ThrowIfFailed();
        return sums.Sum();
    }

    /// <summary>Multiplies all gradients by a factor.</summary>
    public void ScaleGradients(float factor)
    {
        _inside!.Scale(_context, factor);
        _apart!.Scale(_context, factor);
    }

    /// <summary>Clamps all gradients to ±<paramref name="most"/>.</summary>
    public void ClampGradients(float most)
    {
        _inside!.Clamp(_context, most);
        _apart!.Clamp(_context, most);
    }

    /// <summary>Reads a state tensor of a parameter.</summary>
    public void ReadState(Parameter parameter, int index, Span<float> values)
        => Unpack(parameter, State(index, _offsets[parameter.Index]), values);

    /// <summary>Writes a state tensor of a parameter.</summary>
    public void WriteState(Parameter parameter, int index, ReadOnlySpan<float> values)
        => Pack(parameter, values, State(index, _offsets[parameter.Index]));

    /// <summary>Copies values, buffers, and the state of the parameters trained in both stores from a store with a
    /// different layout.</summary>
    public void CopyFrom(ParameterStore other, Graph graph)
    {
        foreach (Parameter p in graph.Parameters)
        {
            var values = new float[p.Length];
            other.Read(p, values);
            Write(p, values);
            for (int i = 0; i < _stateNames && Trains(p) && other.Trains(p); i++)
            {
                other.ReadState(p, i, values);
                WriteState(p, i, values);
            }
        }
    }

    /// <summary>Copies the buffers, before a forward pass updates them.</summary>
    public void KeepBuffers() => Buffers.CopyTo(KeptBuffers);

    /// <summary>Swaps the buffers with their copy.</summary>
    public void ExchangeBuffers()
    {
        Span<float> buffers = Buffers, kept = KeptBuffers;
        for (int i = 0; i < buffers.Length; i++)
            (buffers[i], kept[i]) = (kept[i], buffers[i]);
    }

    /// <summary>Allocates memory for all gradients, before a backward pass that runs separately from the
    /// step.</summary>
    public void NeedGradients() => _inside!.Allocate();

    /// <summary>Saves the gradients before a backward pass overwrites them.</summary>
    public void KeepGradients()
    {
        _inside!.Keep();
        _apart!.Keep();
    }

    /// <summary>Returns the gradients of a bucket. Requires that gradients are kept.</summary>
    /// <param name="bucket">The index of the bucket.</param>
    /// <param name="addKept">Whether the saved gradients are added first.</param>
    public Span<float> Bucket(int bucket, bool addKept)
    {
        IReadOnlyList<Parameter> parameters = _buckets[bucket];
        long start = _offsets[parameters[0].Index] - _apart!.Offset,
            end = _offsets[parameters[^1].Index] + _packings[parameters[^1].Index].Floats - _apart.Offset;
        if (addKept)
            _apart.AddKept(_context, start, end - start);
        return new Span<float>(_apart.Gradients + start, checked((int)(end - start)));
    }

    /// <summary>Returns the parameter whose gradient is in a slot, or null if there is none.</summary>
    public Parameter? WithGradientIn(Slot slot) => _apart?.Parameters.FirstOrDefault(p => _gradients[p.Index] == slot);

    /// <summary>Adds the saved gradients.</summary>
    public void AddKeptGradients()
    {
        _inside!.AddKept(_context, 0, _inside.Length);
        _apart!.AddKept(_context, 0, _apart.Length);
    }

    /// <summary>Saves the values and the optimiser state of the parameters before a step that may throw.</summary>
    public void KeepTrained()
    {
        (_keptValues ??= new NativeBlock(_trainedFloats, clear: false)).CopyFrom(_valueBlock!);
        if (_stateBlock is not null)
            (_keptState ??= new NativeBlock(_stateBlock.Length, clear: false)).CopyFrom(_stateBlock);
    }

    /// <summary>Undoes a step.</summary>
    public void RestoreTrained()
    {
        _valueBlock!.CopyFrom(_keptValues!);
        _stateBlock?.CopyFrom(_keptState!);
    }

    /// <summary>Updates all trainable parameters.</summary>
    /// <param name="number">The step number, starting at 1.</param>
    /// <param name="learningRate">The learning rate.</param>
    public void Step(long number, float learningRate)
    {
        if (_kernel is null)
        {
            StepInCSharp(number, learningRate);
            return;
        }
        Step(_inside!, number, learningRate);
        Step(_apart!, number, learningRate);
    }

    /// <summary>Updates the parameters that were not updated as part of the backward pass.</summary>
    /// <inheritdoc cref="Step(long, float)" path="/param"/>
    public void StepRest(long number, float learningRate)
    {
        if (KeepsGradients)
            Step(number, learningRate);
        else
            Step(_apart!, number, learningRate);
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        _valueBlock?.Dispose();
        _managed?.Dispose();
        _stateBlock?.Dispose();
        _keptValues?.Dispose();
        _keptState?.Dispose();
        _keptBuffers?.Dispose();
        _inside?.Dispose();
        _apart?.Dispose();
    }

    private Span<float> Buffers => new(_valueBlock!.Pointer + _firstBuffer, checked((int)_keptBuffers!.Length));

    private Span<float> KeptBuffers => new(_keptBuffers!.Pointer, checked((int)_keptBuffers.Length));

    private void Pack(Parameter parameter, ReadOnlySpan<float> values, float* packed)
        => _packings[parameter.Index].Pack(_context, CallerSpan.Aligned(values), packed);

    private void Unpack(Parameter parameter, float* packed, Span<float> values)
    {
        if (CallerSpan.IsAligned<float>(values))
        {
            _packings[parameter.Index].Unpack(_context, packed, values);
            return;
        }
        var aligned = new float[values.Length];
        _packings[parameter.Index].Unpack(_context, packed, aligned);
        aligned.CopyTo(values);
    }

    private void Step(GradientRegion region, long number, float learningRate)
    {
        if (region.Segments.Length == 0)
            return;
        float** states = stackalloc float*[Convnet.CN_MOST_STATES];
        for (int i = 0; i < Convnet.CN_MOST_STATES; i++)
            states[i] = State(i, region.Offset);
        fixed (cn_segment* segments = region.Segments)
        {
            Convnet.cn_optimizer_step(_context, _kernel!.Value with { step = number }, learningRate,
                region.Segments.Length, segments, region.Gradients, states, _valueBlock!.Pointer + region.Offset)
                .ThrowIfFailed();
        }
    }

    private void StepInCSharp(long number, float learningRate)
    {
        bool mayThrow = _optimizer!.MayThrow;
        if (mayThrow)
            KeepTrained();
        try
        {
            _managed!.Move([.. _inside!.Parameters.Concat(_apart!.Parameters).Select(p => new PackedUpdate(
                _options[p.Index].At(number, learningRate), p, _packings[p.Index], MemoryOf(p)))]);
        }
        catch when (mayThrow)
        {
            RestoreTrained();
            throw;
        }
    }

    private PackedParameter MemoryOf(Parameter p)
        => new(Gradient(p).Pointer, Values(p).Pointer, State(0, _offsets[p.Index]), _trainedFloats);

    // The state tensors are consecutive. Each covers all trainable parameters.
    private float* State(int index, long offset)
        => index < _stateNames ? _stateBlock!.Pointer + index * _trainedFloats + offset : null;

    private long Arrange(IEnumerable<Parameter> parameters, long offset)
    {
        foreach (Parameter p in parameters)
        {
            _offsets[p.Index] = offset;
            offset += (_packings[p.Index].Floats + Convnet.CN_BLOCK - 1) / Convnet.CN_BLOCK * Convnet.CN_BLOCK;
        }
        return offset;
    }

    private GradientRegion Region(Parameter[] parameters, long offset, long end)
    {
        foreach (Parameter p in parameters)
            _gradients[p.Index] = new Slot(_packings[p.Index].Floats, SlotOwner.Other);
        return new GradientRegion(offset, end - offset, parameters, Segments(parameters, offset),
            [.. parameters.Select(p => (_gradients[p.Index]!, _offsets[p.Index] - offset))]);
    }

    // One segment for each run of parameters with the same options. The zero padding between parameters stays zero.
    private cn_segment[] Segments(Parameter[] parameters, long start)
    {
        var segments = new List<cn_segment>();
        foreach (Parameter p in parameters)
        {
            ParameterOptions options = _options[p.Index];
            var segment = new cn_segment
            {
                offset = _offsets[p.Index] - start,
                length = _packings[p.Index].Floats,
                rate_factor = options.LearningRateFactor,
                weight_decay = options.WeightDecay,
            };
            if (segments.Count > 0
                && options == new ParameterOptions(segments[^1].rate_factor, segments[^1].weight_decay))
            {
                segment.length += segment.offset - segments[^1].offset;
                segment.offset = segments[^1].offset;
                segments.RemoveAt(segments.Count - 1);
            }
            segments.Add(segment);
        }
        return [.. segments];
    }
}
