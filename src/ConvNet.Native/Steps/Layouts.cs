using ConvNet.Native.Interop;
using ConvNet.Native.Steps;

namespace ConvNet.Native;

/// <summary>A range of channels of another value: the output of a concatenation, or the input of a slice.</summary>
/// <param name="Whole">The other value.</param>
/// <param name="Channel">The first channel.</param>
internal readonly record struct ChannelSlice(Value Whole, int Channel);

/// <summary>Second planning pass: determines the memory layouts of the values of a graph and of their
/// gradients.</summary>
/// <remarks>
/// A value has the layout that its producer writes, with the widest halo that any reader of this layout requests. A
/// reader that requires another layout gets a copy with its own halo. The gradient has the same layout, with the halo
/// that the producer requests. An input of a concatenation is written directly into its slice of the output if the
/// channel blocks allow it. Likewise, a slice of channels is a view of its input. A value and its slices share one
/// halo, the widest that any of them requests. The gradient of a view is part of the gradient of the whole.
/// </remarks>
internal sealed class Layouts
{
    // A wider halo costs more to write and to skip than the row copies that the kernel makes without it.
    private const int WidestHalo = 3;

    private readonly FusedGraph _graph;
    private readonly PassSpec _pass;
    private readonly Func<Value, bool> _wantsGradient;
    private readonly Dictionary<Operation, Primitive> _primitives = [];
    private readonly Dictionary<Value, cn_tensor> _written = [], _gradients = [];
    private readonly Dictionary<(Value, cn_tensor), int> _halos = [];
    private readonly Dictionary<Value, ChannelSlice> _slices = [];
    private readonly HashSet<Value> _views = [];

    private Layouts(FusedGraph graph, PassSpec pass, Func<Value, bool> wantsGradient)
        => (_graph, _pass, _wantsGradient) = (graph, pass, wantsGradient);

    /// <summary>The primitives in the order of the operations.</summary>
    public IEnumerable<Primitive> Primitives => _graph.Operations.Select(operation => _primitives[operation]);

    /// <summary>Determines the layouts of a graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="pass">The pass specification. Without fusion, every input of a concatenation is copied; with it,
    /// producers may write directly into slices of the output.</param>
    /// <param name="wantsGradient">Whether the gradient of a value is computed.</param>
    public static Layouts Apply(FusedGraph graph, PassSpec pass, Func<Value, bool> wantsGradient)
    {
        var layouts = new Layouts(graph, pass, wantsGradient);
        layouts.ChoosePrimitives();
        layouts.ChooseHalos();
        if (pass.Fuse)
            layouts.ChooseSlices();
        layouts.ChooseGradients();
        return layouts;
    }

    /// <summary>Returns the tensor descriptor of a shape in a layout, without a halo.</summary>
    public static cn_tensor Tensor(cn_layout layout, Shape shape) => new(shape.C, shape.H, shape.W, 0, layout);

    /// <summary>Returns the primitive of an operation.</summary>
    public Primitive Of(Operation operation) => _primitives[operation];

    /// <summary>Returns the tensor descriptor with which a value is written.</summary>
    public cn_tensor Written(Value value) => _written[value];

    /// <summary>Returns the tensor descriptor with which an operation reads an input. If it differs from the descriptor
    /// with which the input is written, a copy is required.</summary>
    public cn_tensor Read(Primitive reader, int input)
    {
        Value value = reader.Operation.Inputs[input];
        cn_tensor tensor = reader.X(input);
        return reader.PlainOnly ? tensor
            : value.Producer is not null && tensor == Bare(_written[value]) ? _written[value]
            : tensor with { halo = _halos[(value, tensor)] };
    }

    /// <summary>Returns the slice of another value that a value is, or null if the value has its own memory.</summary>
    public ChannelSlice? SliceOf(Value value) => _slices.TryGetValue(value, out ChannelSlice slice) ? slice : null;

    /// <summary>Returns whether a value is a view of the input of a slice.</summary>
    public bool IsView(Value value) => _views.Contains(value);

    /// <summary>Returns whether other operations write values into slices of a value.</summary>
    public bool HasSlices(Value whole)
        => _slices.Any(each => each.Value.Whole == whole && !_views.Contains(each.Key));

    /// <summary>Returns the tensor descriptor with which the producer of a value reads its gradient.</summary>
    public cn_tensor Gradient(Value value) => _gradients[value];

    /// <summary>Returns the tensor descriptor with which an operation writes the gradient of an input: that of the
    /// producer if the operation is the only contributor.</summary>
    public cn_tensor GradientOfInput(Primitive reader, int input)
    {
        Value value = reader.Operation.Inputs[input];
        return IsSoleReader(reader, input) ? _gradients[value] : reader.X(input);
    }

    /// <summary>Returns whether the slices of a value write their gradients into disjoint parts of one
    /// tensor.</summary>
    public bool SharesSlicedGradient(Value value)
    {
        int end = 0;
        foreach (SlicePrimitive slice in SlicesOf(value).OrderBy(slice => slice.Channel))
        {
            if (slice.Channel < end)
                return false;
            end = slice.Channel + slice.Channels;
        }
        return true;
    }

    /// <summary>Returns the slices of channels that contribute to the gradient of a value.</summary>
    public IEnumerable<SlicePrimitive> SlicesOf(Value value)
        => GradientUses(value).Select(use => _primitives[use.Operation]).OfType<SlicePrimitive>();

    /// <summary>Returns the uses of a value that contribute to its gradient.</summary>
    public IEnumerable<Use> GradientUses(Value value)
        => value.Uses.Where(use => _wantsGradient(use.Operation.Output));

    /// <summary>Returns whether an operation is the last contributor to the gradient of its first input and writes it
    /// in the layout of the complete gradient.</summary>
    public bool CompletesGradient(Primitive reader)
    {
        Value value = reader.Operation.Inputs[0];
        return GradientUses(value).FirstOrDefault() == new Use(reader.Operation, 0)
            && value.Uses.Count(use => use.Operation == reader.Operation) == 1
            && !value.HasLoss && reader.X(0) == Bare(_written[value]);
    }

    /// <summary>Returns whether an operation alone contributes to the gradient of an input, in the layout of the
    /// gradient.</summary>
    public bool IsSoleReader(Primitive reader, int input)
    {
        Value value = reader.Operation.Inputs[input];
        return !value.HasLoss && GradientUses(value).Take(2).ToArray() is [var only]
            && only == new Use(reader.Operation, input) && reader.X(input) == Bare(_written[value]);
    }

    private void ChoosePrimitives()
    {
        foreach (Value input in _graph.Inputs)
            _written[input] = Tensor(cn_layout.CN_PLAIN, input.Node.Shape);
        foreach (Operation operation in _graph.Operations)
        {
            try
            {
                var primitive = LoweringTable.Of(operation, [.. operation.Inputs.Select(input => _written[input])],
                    _pass);
                _primitives[operation] = primitive;
                _written[operation.Output] = primitive.Y;
            }
            catch (NativeCallException error)
            {
                throw NativeLimits.Refused(operation.Node, error);
            }
        }
    }

    private void ChooseHalos()
    {
        foreach (Primitive reader in Primitives.Where(reader => !reader.PlainOnly))
        {
            for (int i = 0; i < reader.Operation.Inputs.Count; i++)
            {
                Value value = reader.Operation.Inputs[i];
                cn_tensor tensor = reader.X(i);
                bool fixedByProducer = value.Producer is { } producer && _primitives[producer].PlainOnly && tensor
                    == _written[value];
                int halo = fixedByProducer || i > 0 ? 0 : Limit(reader.XHalo);
                _halos[(value, tensor)] = Math.Max(_halos.GetValueOrDefault((value, tensor)), halo);
            }
        }
        foreach (Operation operation in _graph.Operations)
        {
            cn_tensor tensor = _primitives[operation].Y;
            _written[operation.Output] = tensor with { halo = _halos.GetValueOrDefault((operation.Output, tensor)) };
        }
    }

    // From the last concatenation to the first, so that a slice of a slice refers to the outermost output.
    private void ChooseSlices()
    {
        var wholes = new Dictionary<Value, List<Value>>();
        foreach (SlicePrimitive slice in Primitives.OfType<SlicePrimitive>().Where(slice => slice.CanSlice))
        {
            (Value whole, Value value) = (slice.Operation.Inputs[0], slice.Operation.Output);
            if (whole.Producer is null || slice.X(0) != Bare(_written[whole]))
                continue;
            _slices.Add(value, new ChannelSlice(whole, slice.Channel));
            _views.Add(value);
            wholes.TryAdd(whole, []);
        }
        foreach (ConcatPrimitive concat in Primitives.OfType<ConcatPrimitive>().Reverse())
        {
            Value whole = concat.Operation.Output;
            for (int i = 0; i < concat.Operation.Inputs.Count; i++)
            {
                Value value = concat.Operation.Inputs[i];
                if (concat.CanSlice(i) && value.Producer is { } producer && !_primitives[producer].PlainOnly
                    && concat.X(i) == Bare(_written[value]) && _slices.TryAdd(value, concat.SliceOf(i)))
                    wholes.TryAdd(whole, []);
            }
        }
        foreach (Value value in _slices.Keys)
            wholes[Outermost(value)].Add(value);
        foreach ((Value whole, List<Value> values) in wholes.Where(each => !_slices.ContainsKey(each.Key)))
        {
            int halo = values.Append(whole).Max(value => _written[value].halo);
            cn_tensor tensor = _written[whole] = _written[whole] with { halo = halo };
            foreach (Value value in values)
                _written[value] = Slot.SliceOf(tensor, _written[value].c);
        }
    }

    private Value Outermost(Value value)
        => _slices.TryGetValue(value, out ChannelSlice slice) ? Outermost(slice.Whole) : value;

    private static cn_tensor Bare(cn_tensor tensor) => tensor with { halo = 0, sample_stride = 0 };

    private void ChooseGradients()
    {
        foreach (Value input in _graph.Inputs)
            _gradients[input] = _written[input];
        foreach (Operation operation in _graph.Operations)
        {
            Primitive primitive = _primitives[operation];
            int halo = operation.Inputs.Any(_wantsGradient) ? Limit(primitive.DYHalo) : 0;
            for (int i = 0; i < operation.Inputs.Count; i++)
            {
                if (primitive.PassesGradient(i) && IsSoleReader(primitive, i))
                    halo = Math.Max(halo, _gradients[operation.Inputs[i]].halo);
            }
            _gradients[operation.Output] = primitive.Y with { halo = halo };
            if (primitive is SlicePrimitive { CanSlice: true } slice)
                _gradients[operation.Output] = primitive.Y with { halo = _gradients[slice.Operation.Inputs[0]].halo };
        }
    }

    /// <summary>Returns the requested halo, or 0 if it is too wide.</summary>
    public static int Limit(int halo) => halo <= WidestHalo ? halo : 0;
}
