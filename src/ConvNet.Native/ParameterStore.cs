using ConvNet.Native.Interop;
using ConvNet.Native.Steps;

namespace ConvNet.Native;

/// <summary>All parameters of an executable, packed, in one block; the optimiser's state in a block of the same order.</summary>
/// <remarks>
/// Trainable parameters stand first, those that can take their step inside the gradient of the weights before the others; buffers
/// follow. Gradients of the former take memory only where they are kept, or when a backward pass runs apart from its
/// step. Where a layer runs in C# all are kept: it may throw half way through the backward pass, when nothing may have
/// moved yet.
/// </remarks>
internal sealed unsafe class ParameterStore : IDisposable
{
    private readonly cn_context _context;
    private readonly Packing[] _packings;
    private readonly Slot[] _values;
    private readonly Slot?[] _gradients;
    private readonly long[] _offsets;
    private readonly Parameter[] _buffers;
    private readonly long _valueFloats, _velocityFloats, _firstBuffer;
    private readonly Sgd? _optimizer;
    private readonly GradientRegion? _inside, _apart;
    private NativeBlock? _valueBlock, _velocityBlock, _keptBuffers;

    /// <summary>Decides where everything lies; <see cref="Allocate"/> takes the memory.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="primitives">Who says how the parameters are packed.</param>
    /// <param name="optimizer">What moves them; null where nothing does.</param>
    /// <param name="keepGradients">Whether gradients can be read after every step.</param>
    /// <param name="context">Who computes.</param>
    public ParameterStore(Graph graph, IEnumerable<Primitive> primitives, Sgd? optimizer, bool keepGradients, cn_context context)
    {
        (_context, _optimizer) = (context, optimizer);
        primitives = [.. primitives];
        KeepsGradients = keepGradients || primitives.Any(primitive => primitive is ManagedPrimitive);
        int count = graph.Parameters.Count;
        (_packings, _values, _gradients, _offsets) = (new Packing[count], new Slot[count], new Slot?[count], new long[count]);
        var inside = new HashSet<Parameter>();
        foreach (Primitive primitive in primitives)
        {
            foreach (Parameter p in primitive.Operation.Node.Parameters.Concat(primitive.Operation.Norm?.Parameters ?? []))
                _packings[p.Index] = primitive.PackingOf(p);
            if (primitive.StepsInside)
                inside.UnionWith(primitive.Operation.Node.Parameters);
        }
        Parameter[] first = [.. graph.Parameters.Where(inside.Contains)], then = [.. graph.Parameters.Where(p => p.Trainable && !inside.Contains(p))];
        long middle = Place(first, 0), trainable = Place(then, middle);
        _valueFloats = Place(graph.Parameters.Where(p => !p.Trainable), trainable);
        foreach (Parameter p in graph.Parameters)
            _values[p.Index] = new Slot(_packings[p.Index].Floats, SlotOwner.Other);
        _buffers = [.. graph.Parameters.Where(p => !p.Trainable)];
        _firstBuffer = trainable;
        if (optimizer is null)
            return;
        _velocityFloats = optimizer.StateSlots > 0 ? trainable : 0;
        _inside = Region(first, 0, middle);
        _apart = Region(then, middle, trainable);
    }

    /// <summary>Takes the memory; buffers have their initial values, and all others start as zero.</summary>
    /// <exception cref="OutOfMemoryException">There is not as much.</exception>
    public void Allocate()
    {
        _valueBlock = new NativeBlock(_valueFloats, clear: true);
        for (int i = 0; i < _values.Length; i++)
            _values[i].Pointer = _valueBlock.Pointer + _offsets[i];
        foreach (Parameter p in _buffers)
            Write(p, [.. Enumerable.Repeat(p.Role.InitialValue(), p.Length)]);
        if (_optimizer is null)
            return;
        _keptBuffers = new NativeBlock(_valueFloats - _firstBuffer, clear: false);
        if (HasState)
            _velocityBlock = new NativeBlock(_velocityFloats, clear: true);
        _apart!.Allocate();
        if (KeepsGradients)
            _inside!.Allocate();
    }

    /// <summary>Whether gradients can be read after every step.</summary>
    public bool KeepsGradients { get; }

    /// <summary>Bytes of the values, of the gradients that a training step stores, and of the optimiser's state.</summary>
    public (long Values, long Gradients, long State) Bytes
        => (sizeof(float) * _valueFloats, sizeof(float) * RestFloats, sizeof(float) * _velocityFloats);

    /// <summary>Whether the optimiser keeps state.</summary>
    public bool HasState => _optimizer is { StateSlots: > 0 };

    /// <summary>Floats of the trainable parameters that take their step behind the backward pass.</summary>
    public long RestFloats => (KeepsGradients ? _inside?.Length ?? 0 : 0) + (_apart?.Length ?? 0);

    /// <summary>Where the values of a parameter lie.</summary>
    public Slot Values(Parameter parameter) => _values[parameter.Index];

    /// <summary>Where the gradient of a parameter lies.</summary>
    public Slot Gradient(Parameter parameter)
        => _gradients[parameter.Index] ?? throw new InvalidOperationException($"{parameter.Name} has no gradient.");

    /// <summary>The step that a layer's parameters can take inside the gradient of its weights, but for the learning rate.</summary>
    /// <remarks>Once there is memory.</remarks>
    public cn_update UpdateOf(Node node)
    {
        Parameter weights = node.Parameters[0];
        Parameter? bias = node.Parameters.ElementAtOrDefault(1);
        return new cn_update
        {
            sgd = Describe(_optimizer!),
            weight_decay = _optimizer!.DecayOf(weights),
            bias_decay = bias is null ? 0 : _optimizer.DecayOf(bias),
            w = Values(weights).Pointer,
            w_velocity = Velocity(weights),
            bias = bias is null ? null : Values(bias).Pointer,
            bias_velocity = bias is null ? null : Velocity(bias),
        };
    }

    /// <summary>Reads the values of a parameter.</summary>
    public void Read(Parameter parameter, Span<float> values) => Unpack(parameter, Values(parameter), values);

    /// <summary>Writes the values of a parameter.</summary>
    public void Write(Parameter parameter, ReadOnlySpan<float> values)
        => _packings[parameter.Index].Pack(_context, CallerSpan.Aligned(values), Values(parameter).Pointer);

    /// <summary>Reads the gradient of a parameter.</summary>
    public void ReadGradient(Parameter parameter, Span<float> values) => Unpack(parameter, Gradient(parameter), values);

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

    /// <summary>Puts the gradients aside before a backward pass overwrites them.</summary>
    public void KeepGradients()
    {
        _inside!.Keep();
        _apart!.Keep();
    }

    /// <summary>Adds the gradients that were put aside.</summary>
    public void AddKeptGradients()
    {
        _inside!.AddKept(_context);
        _apart!.AddKept(_context);
    }

    /// <summary>Moves all trainable parameters by their gradients.</summary>
    public void Step(float learningRate)
    {
        Step(_inside!, learningRate);
        Step(_apart!, learningRate);
    }

    /// <summary>Moves those that have not taken their step inside the backward pass.</summary>
    public void StepRest(float learningRate)
    {
        if (KeepsGradients)
            Step(_inside!, learningRate);
        Step(_apart!, learningRate);
    }

    /// <summary>Frees the blocks.</summary>
    public void Dispose()
    {
        _valueBlock?.Dispose();
        _velocityBlock?.Dispose();
        _keptBuffers?.Dispose();
        _inside?.Dispose();
        _apart?.Dispose();
    }

    private Span<float> Buffers => new(_valueBlock!.Pointer + _firstBuffer, checked((int)_keptBuffers!.Length));

    private Span<float> KeptBuffers => new(_keptBuffers!.Pointer, checked((int)_keptBuffers.Length));

    private void Unpack(Parameter parameter, Slot slot, Span<float> values)
    {
        if (CallerSpan.IsAligned<float>(values))
        {
            _packings[parameter.Index].Unpack(_context, slot.Pointer, values);
            return;
        }
        var aligned = new float[values.Length];
        _packings[parameter.Index].Unpack(_context, slot.Pointer, aligned);
        aligned.CopyTo(values);
    }

    private static cn_sgd Describe(Sgd optimizer) => new(optimizer.Momentum, optimizer.Nesterov ? cn_sgd_flags.CN_NESTEROV : cn_sgd_flags.None);

    private void Step(GradientRegion region, float learningRate)
    {
        if (region.Segments.Length == 0)
            return;
        float* values = _valueBlock!.Pointer + region.Offset;
        float* velocity = _velocityBlock is null ? null : _velocityBlock.Pointer + region.Offset;
        fixed (cn_segment* segments = region.Segments)
        {
            Convnet.cn_sgd_step(_context, Describe(_optimizer!), learningRate, region.Segments.Length, segments, region.Gradients,
                velocity, values).ThrowIfFailed();
        }
    }

    private float* Velocity(Parameter parameter) => _velocityBlock is null ? null : _velocityBlock.Pointer + _offsets[parameter.Index];

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
        return new GradientRegion(offset, end - offset, Segments(parameters, offset),
            [.. parameters.Select(p => (_gradients[p.Index]!, _offsets[p.Index] - offset))]);
    }

    // One segment for each run of parameters with the same weight decay; the zeros between them stay zero.
    private cn_segment[] Segments(Parameter[] parameters, long start)
    {
        var segments = new List<cn_segment>();
        foreach (Parameter p in parameters)
        {
            var segment = new cn_segment { offset = _offsets[p.Index] - start, length = _packings[p.Index].Floats, weight_decay = _optimizer!.DecayOf(p) };
            if (segments.Count > 0 && segments[^1].weight_decay == segment.weight_decay)
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
