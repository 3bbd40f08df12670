using ConvNet.Native.Interop;
using ConvNet.Native.Steps;
using ConvNet.Planning;

namespace ConvNet.Native;

/// <summary>All parameters of an executable, packed, in one block; the optimiser's state in a block of the same
/// order.</summary>
/// <remarks>
/// Parameters that train stand first, in the order in which gradients are reported, those that can take their step
/// inside the gradient of the weights before the others; those that do not train, and buffers, follow. Gradients of the
/// former take memory only where they are kept, or when a backward pass runs apart from its step. Where a layer runs in
/// C# all are kept: it may throw half way through the backward pass, when nothing may have moved yet.
/// </remarks>
internal sealed unsafe class ParameterStore : IDisposable
{
    private readonly cn_context _context;
    private readonly Packing[] _packings;
    private readonly Slot[] _values;
    private readonly Slot?[] _gradients;
    private readonly long[] _offsets;
    private readonly Parameter[] _buffers, _unreached = [];
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

    /// <summary>Decides where everything lies; <see cref="Allocate"/> takes the memory.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="primitives">Who says how the parameters are packed.</param>
    /// <param name="liveness">Which of them a loss depends on, and which are frozen.</param>
    /// <param name="optimizer">The rule that moves them; null where nothing does.</param>
    /// <param name="buckets">The parameters that it moves, in the order in which gradients are reported.</param>
    /// <param name="keepGradients">Whether gradients can be read after every step.</param>
    /// <param name="context">Who computes.</param>
    public ParameterStore(Graph graph, IEnumerable<Primitive> primitives, Liveness liveness, Optimizer? optimizer,
        IReadOnlyList<IReadOnlyList<Parameter>> buckets, bool keepGradients, cn_context context)
    {
        (_context, _optimizer, _frozen, _buckets) = (context, optimizer, liveness.Frozen, buckets);
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
            // A bias whose weights are frozen has no kernel to step in.
            Node node = primitive.Operation.Node;
            if (!KeepsGradients && primitive.StepsInside && liveness.ReachesLoss(node)
                && _frozen.Trains(node.Parameters[0]))
                inside.UnionWith(node.Parameters.Where(_frozen.Trains));
        }
        // In the order of the buckets, so that each lies together where all step apart.
        Parameter[] trained = [.. buckets.SelectMany(p => p)], first = [.. trained.Where(inside.Contains)],
            then = [.. trained.Where(p => !inside.Contains(p))];
        long middle = Place(first, 0);
        _trainedFloats = Place(then, middle);
        _firstBuffer = Place(graph.Parameters.Where(p => p.Trainable).Except(trained), _trainedFloats);
        _valueFloats = Place(graph.Parameters.Where(p => !p.Trainable), _firstBuffer);
        foreach (Parameter p in graph.Parameters)
            _values[p.Index] = new Slot(_packings[p.Index].Floats, SlotOwner.Other);
        _buffers = [.. graph.Parameters.Where(p => !p.Trainable)];
        if (optimizer is null)
            return;
        _unreached = [.. then.Where(p => !liveness.ReachesLoss(p.Node))];
        _inside = Region(first, 0, middle);
        _apart = Region(then, middle, _trainedFloats);
    }

    /// <summary>Takes the memory; buffers have their initial values, and all others start as zero.</summary>
    /// <exception cref="OutOfMemoryException">There is not as much.</exception>
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

    /// <summary>Bytes of the values, of the gradients that a training step stores, and of the optimiser's
    /// state.</summary>
    public (long Values, long Gradients, long State) Bytes
        => (sizeof(float) * _valueFloats, sizeof(float) * RestFloats, sizeof(float) * _stateNames * _trainedFloats);

    /// <summary>Values of state that the optimiser keeps for each value.</summary>
    public int StateNames => _stateNames;

    /// <summary>Whether the optimiser's rule runs in C#.</summary>
    public bool StepsInCSharp => _optimizer is not null && _kernel is null;

    /// <summary>Whether a parameter has a gradient, and is moved by a step.</summary>
    public bool Trains(Parameter parameter) => _frozen.Trains(parameter);

    /// <summary>Floats of the parameters that take their step behind the backward pass.</summary>
    public long RestFloats => (KeepsGradients ? _inside?.Length ?? 0 : 0) + (_apart?.Length ?? 0);

    /// <summary>Where the values of a parameter lie.</summary>
    public Slot Values(Parameter parameter) => _values[parameter.Index];

    /// <summary>Where the gradient of a parameter lies.</summary>
    public Slot Gradient(Parameter parameter)
        => _gradients[parameter.Index] ?? throw new InvalidOperationException($"{parameter.Name} has no gradient.");

    /// <summary>
    /// The step that a layer's parameters can take inside the gradient of its weights, at a learning rate of 1 and
    /// without its number.
    /// </summary>
    /// <remarks>Once there is memory; where the optimiser has a kernel.</remarks>
    public cn_update UpdateOf(Node node) => new()
    {
        optimizer = _kernel!.Value,
        weights = Describe(node.Parameters[0]),
        bias = node.Parameters.Count > 1 && Trains(node.Parameters[1]) ? Describe(node.Parameters[1]) : default,
    };

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

    /// <summary>The sum of the squares of a gradient.</summary>
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

    /// <summary>Limits all gradients to ±<paramref name="most"/>.</summary>
    public void ClampGradients(float most)
    {
        _inside!.Clamp(_context, most);
        _apart!.Clamp(_context, most);
    }

    /// <summary>Reads a state of a parameter.</summary>
    public void ReadState(Parameter parameter, int index, Span<float> values)
        => Unpack(parameter, State(index, _offsets[parameter.Index]), values);

    /// <summary>Writes a state of a parameter.</summary>
    public void WriteState(Parameter parameter, int index, ReadOnlySpan<float> values)
        => Pack(parameter, values, State(index, _offsets[parameter.Index]));

    /// <summary>Takes over values, buffers and the state of what trains in both from parameters that lie
    /// otherwise.</summary>
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

    /// <summary>Copies the buffers, before a forward pass moves them.</summary>
    public void KeepBuffers() => Buffers.CopyTo(KeptBuffers);

    /// <summary>Exchanges the buffers and their copy.</summary>
    public void ExchangeBuffers()
    {
        Span<float> buffers = Buffers, kept = KeptBuffers;
        for (int i = 0; i < buffers.Length; i++)
            (buffers[i], kept[i]) = (kept[i], buffers[i]);
    }

    /// <summary>Makes room for all gradients, before a backward pass that runs apart from its step.</summary>
    public void NeedGradients() => _inside!.Allocate();

    /// <summary>Makes the gradients of what no loss depends on zero: no step of a backward pass writes them.</summary>
    /// <returns>The parameters that have these gradients.</returns>
    public ReadOnlySpan<Parameter> ClearUnreached()
    {
        foreach (Parameter p in _unreached)
        {
            Slot gradient = Gradient(p);
            new Span<float>(gradient.Pointer, checked((int)gradient.Floats)).Clear();
        }
        return _unreached;
    }

    /// <summary>Puts the gradients aside before a backward pass overwrites them.</summary>
    public void KeepGradients()
    {
        _inside!.Keep();
        _apart!.Keep();
    }

    /// <summary>The gradients of a bucket, where gradients are kept.</summary>
    /// <param name="bucket">Its number.</param>
    /// <param name="addKept">Whether those that were put aside are added first.</param>
    public Span<float> Bucket(int bucket, bool addKept)
    {
        IReadOnlyList<Parameter> parameters = _buckets[bucket];
        long start = _offsets[parameters[0].Index] - _apart!.Offset,
            end = _offsets[parameters[^1].Index] + _packings[parameters[^1].Index].Floats - _apart.Offset;
        if (addKept)
            _apart.AddKept(_context, start, end - start);
        return new Span<float>(_apart.Gradients + start, checked((int)(end - start)));
    }

    /// <summary>The parameter whose gradient lies in a slot; null if none does.</summary>
    public Parameter? WithGradientIn(Slot slot) => _apart?.Parameters.FirstOrDefault(p => _gradients[p.Index] == slot);

    /// <summary>Adds the gradients that were put aside.</summary>
    public void AddKeptGradients()
    {
        _inside!.AddKept(_context, 0, _inside.Length);
        _apart!.AddKept(_context, 0, _apart.Length);
    }

    /// <summary>Moves all parameters that train by their gradients.</summary>
    /// <param name="number">The number of the step, from 1.</param>
    /// <param name="learningRate">Its learning rate.</param>
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

    /// <summary>Moves those that have not taken their step inside the backward pass.</summary>
    /// <inheritdoc cref="Step(long, float)" path="/param"/>
    public void StepRest(long number, float learningRate)
    {
        if (KeepsGradients)
            Step(number, learningRate);
        else
            Step(_apart!, number, learningRate);
    }

    /// <summary>Frees the blocks.</summary>
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

    private cn_parameter Describe(Parameter parameter)
    {
        ParameterOptions options = _options[parameter.Index];
        return new cn_parameter
        {
            values = Values(parameter).Pointer,
            state0 = State(0, _offsets[parameter.Index]),
            state1 = State(1, _offsets[parameter.Index]),
            learning_rate = options.LearningRateFactor,
            weight_decay = options.WeightDecay,
        };
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
        _keptValues?.CopyFrom(_valueBlock!);
        if (_stateBlock is not null)
            _keptState?.CopyFrom(_stateBlock);
        try
        {
            foreach (GradientRegion region in (ReadOnlySpan<GradientRegion>)[_inside!, _apart!])
            {
                foreach (Parameter p in region.Parameters)
                {
                    var memory = new PackedParameter(Gradient(p).Pointer, Values(p).Pointer,
                        State(0, _offsets[p.Index]), _trainedFloats);
                    _managed!.Move(_options[p.Index].At(number, learningRate), p, _packings[p.Index], memory);
                }
            }
        }
        catch when (_keptValues is not null)
        {
            _valueBlock!.CopyFrom(_keptValues);
            _stateBlock?.CopyFrom(_keptState!);
            throw;
        }
    }

    // States lie one after the other, each over all parameters that train.
    private float* State(int index, long offset)
        => index < _stateNames ? _stateBlock!.Pointer + index * _trainedFloats + offset : null;

    private long Place(IEnumerable<Parameter> parameters, long offset)
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

    // One segment for each run of parameters with the same options; the zeros between them stay zero.
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
