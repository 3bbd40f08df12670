using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>All parameters of an executable, packed, in one block; their gradients and the optimiser's state in blocks of the same order.</summary>
/// <remarks>Trainable parameters stand first, so that one call of the optimiser serves them all; buffers follow.</remarks>
internal sealed unsafe class ParameterStore : IDisposable
{
    private readonly cn_context _context;
    private readonly Packing[] _packings;
    private readonly Slot[] _values;
    private readonly Slot?[] _gradients;
    private readonly long[] _offsets;
    private readonly NativeBlock _valueBlock;
    private readonly NativeBlock? _gradientBlock, _velocityBlock;
    private readonly cn_segment[] _segments;
    private NativeBlock? _earlierGradients;

    /// <summary>Makes the store; every value starts as zero.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="primitives">Who says how the parameters are packed.</param>
    /// <param name="optimizer">What moves them; null where nothing does.</param>
    /// <param name="context">Who computes.</param>
    public ParameterStore(Graph graph, IEnumerable<Primitive> primitives, Sgd? optimizer, cn_context context)
    {
        _context = context;
        int count = graph.Parameters.Count;
        (_packings, _values, _gradients, _offsets) = (new Packing[count], new Slot[count], new Slot?[count], new long[count]);
        foreach (Primitive primitive in primitives)
        {
            foreach (Parameter p in primitive.Operation.Node.Parameters.Concat(primitive.Operation.Norm?.Parameters ?? []))
                _packings[p.Index] = primitive.PackingOf(p);
        }
        long trainable = Place(graph.Parameters.Where(p => p.Trainable), 0);
        _valueBlock = new NativeBlock(Place(graph.Parameters.Where(p => !p.Trainable), trainable), clear: true);
        if (optimizer is not null)
        {
            _gradientBlock = new NativeBlock(trainable, clear: true);
            _velocityBlock = optimizer.StateSlots > 0 ? new NativeBlock(trainable, clear: true) : null;
        }
        foreach (Parameter p in graph.Parameters)
        {
            _values[p.Index] = SlotAt(p, _valueBlock);
            _gradients[p.Index] = p.Trainable && _gradientBlock is not null ? SlotAt(p, _gradientBlock) : null;
        }
        _segments = optimizer is null ? [] : Segments(graph, optimizer);
    }

    /// <summary>Bytes of the values, of their gradients and of the optimiser's state.</summary>
    public (long Values, long Gradients, long State) Bytes
        => (sizeof(float) * _valueBlock.Length, sizeof(float) * (_gradientBlock?.Length ?? 0), sizeof(float) * (_velocityBlock?.Length ?? 0));

    /// <summary>Where the values of a parameter lie.</summary>
    public Slot Values(Parameter parameter) => _values[parameter.Index];

    /// <summary>Where the gradient of a parameter lies.</summary>
    public Slot Gradient(Parameter parameter)
        => _gradients[parameter.Index] ?? throw new InvalidOperationException($"{parameter.Name} has no gradient.");

    /// <summary>Reads the values of a parameter.</summary>
    public void Read(Parameter parameter, Span<float> values)
        => _packings[parameter.Index].Unpack(_context, Values(parameter).Pointer, values);

    /// <summary>Writes the values of a parameter.</summary>
    public void Write(Parameter parameter, ReadOnlySpan<float> values)
        => _packings[parameter.Index].Pack(_context, values, Values(parameter).Pointer);

    /// <summary>Reads the gradient of a parameter.</summary>
    public void ReadGradient(Parameter parameter, Span<float> values)
        => _packings[parameter.Index].Unpack(_context, Gradient(parameter).Pointer, values);

    /// <summary>Puts the gradients aside before a backward pass overwrites them.</summary>
    public void KeepGradients()
    {
        _earlierGradients ??= new NativeBlock(_gradientBlock!.Length, clear: false);
        _earlierGradients.CopyFrom(_gradientBlock!);
    }

    /// <summary>Adds the gradients that were put aside.</summary>
    public void AddKeptGradients()
        => Convnet.cn_accumulate(_context, _gradientBlock!.Length, _earlierGradients!.Pointer, _gradientBlock.Pointer).ThrowIfFailed();

    /// <summary>Moves all trainable parameters, where there are some.</summary>
    public void Step(Sgd optimizer, float learningRate)
    {
        if (_segments.Length == 0)
            return;
        var sgd = new cn_sgd(optimizer.Momentum, optimizer.Nesterov ? cn_sgd_flags.CN_NESTEROV : cn_sgd_flags.None);
        float* velocity = _velocityBlock is null ? null : _velocityBlock.Pointer;
        fixed (cn_segment* segments = _segments)
        {
            Convnet.cn_sgd_step(_context, sgd, learningRate, _segments.Length, segments, _gradientBlock!.Pointer, velocity, _valueBlock.Pointer)
                .ThrowIfFailed();
        }
    }

    /// <summary>Frees the blocks.</summary>
    public void Dispose()
    {
        _valueBlock.Dispose();
        _gradientBlock?.Dispose();
        _velocityBlock?.Dispose();
        _earlierGradients?.Dispose();
    }

    private long Place(IEnumerable<Parameter> parameters, long offset)
    {
        foreach (Parameter p in parameters)
        {
            _offsets[p.Index] = offset;
            offset += (_packings[p.Index].Floats + Convnet.CN_BLOCK - 1) / Convnet.CN_BLOCK * Convnet.CN_BLOCK;
        }
        return offset;
    }

    private Slot SlotAt(Parameter parameter, NativeBlock block) => new(_packings[parameter.Index].Floats, SlotOwner.Other)
    {
        Pointer = block.Pointer + _offsets[parameter.Index],
    };

    // One segment for each run of parameters with the same weight decay; the zeros between them stay zero.
    private cn_segment[] Segments(Graph graph, Sgd optimizer)
    {
        var segments = new List<cn_segment>();
        foreach (Parameter p in graph.Parameters.Where(p => p.Trainable))
        {
            var segment = new cn_segment { offset = _offsets[p.Index], length = _packings[p.Index].Floats, weight_decay = optimizer.DecayOf(p) };
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
