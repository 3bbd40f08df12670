using ConvNet.Native.Interop;
using ConvNet.Native.Steps;

namespace ConvNet.Native;

/// <summary>A run of channels of a concatenation's output.</summary>
/// <param name="Whole">The output.</param>
/// <param name="Channel">The first channel.</param>
internal readonly record struct Slice(Value Whole, int Channel);

/// <summary>Second planning pass: decides for every edge of the graph how its values and their gradients lie in
/// memory.</summary>
/// <remarks>
/// A value lies the way its producer writes it, with the widest halo that a reader of this layout wants; a reader that
/// takes another layout gets a copy, with a halo of its own. Its gradient lies the same way, with the halo that the
/// producer wants. An input of a concatenation is written straight into its slice of the output where the blocks of
/// channels allow it; an output and its slices have one halo, the widest that any of them wants.
/// </remarks>
internal sealed class Layouts
{
    // A wider halo costs more to write and to skip than the rows that the kernel copies without it.
    private const int WidestHalo = 3;

    private readonly FusedGraph _graph;
    private readonly Func<Value, bool> _wantsGradient;
    private readonly Dictionary<Operation, Primitive> _primitives = [];
    private readonly Dictionary<Value, cn_tensor> _written = [], _gradients = [];
    private readonly Dictionary<(Value, cn_tensor), int> _halos = [];
    private readonly Dictionary<Value, Slice> _slices = [];

    private Layouts(FusedGraph graph, Func<Value, bool> wantsGradient)
        => (_graph, _wantsGradient) = (graph, wantsGradient);

    /// <summary>The primitives in the order of the operations.</summary>
    public IEnumerable<Primitive> Primitives => _graph.Operations.Select(operation => _primitives[operation]);

    /// <summary>Decides the layouts of a graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="wantsGradient">Whether the gradient of a value is computed.</param>
    /// <param name="slices">Whether concatenations may have slices that others write; else every input is
    /// copied.</param>
    public static Layouts Apply(FusedGraph graph, Func<Value, bool> wantsGradient, bool slices)
    {
        var layouts = new Layouts(graph, wantsGradient);
        layouts.ChoosePrimitives();
        layouts.ChooseHalos();
        if (slices)
            layouts.ChooseSlices();
        layouts.ChooseGradients();
        return layouts;
    }

    /// <summary>The tensor of a shape in a layout, without a halo.</summary>
    public static cn_tensor Tensor(cn_layout layout, Shape shape) => new(shape.C, shape.H, shape.W, 0, layout);

    /// <summary>The primitive of an operation.</summary>
    public Primitive Of(Operation operation) => _primitives[operation];

    /// <summary>How a value is written.</summary>
    public cn_tensor Written(Value value) => _written[value];

    /// <summary>How an operation reads an input: as it is written, or another tensor, of which there must be a
    /// copy.</summary>
    public cn_tensor Read(Primitive reader, int input)
    {
        Value value = reader.Operation.Inputs[input];
        cn_tensor tensor = reader.X(input);
        return reader.PlainOnly ? tensor
            : value.Producer is not null && tensor == Bare(_written[value]) ? _written[value]
            : tensor with { halo = _halos[(value, tensor)] };
    }

    /// <summary>The slice of a concatenation's output that a value is written into; null if it has memory of its
    /// own.</summary>
    public Slice? SliceOf(Value value) => _slices.TryGetValue(value, out Slice slice) ? slice : null;

    /// <summary>How the gradient of a value is handed to its producer.</summary>
    public cn_tensor Gradient(Value value) => _gradients[value];

    /// <summary>How an operation writes the gradient of an input: as its producer takes it, where it is the only one to
    /// write it.</summary>
    public cn_tensor GradientOfInput(Primitive reader, int input)
    {
        Value value = reader.Operation.Inputs[input];
        return IsSoleReader(reader, input) ? _gradients[value] : reader.X(input);
    }

    /// <summary>The places at which a value is read from which a part of its gradient comes.</summary>
    public IEnumerable<Use> GradientUses(Value value)
        => value.Uses.Where(use => _wantsGradient(use.Operation.Output));

    /// <summary>Whether an operation is the last to give its part of the gradient of its first input, in the layout of
    /// the whole gradient.</summary>
    public bool CompletesGradient(Primitive reader)
    {
        Value value = reader.Operation.Inputs[0];
        return GradientUses(value).FirstOrDefault() == new Use(reader.Operation, 0)
            && value.Uses.Count(use => use.Operation == reader.Operation) == 1
            && !value.HasLoss && reader.X(0) == Bare(_written[value]);
    }

    private bool IsSoleReader(Primitive reader, int input)
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
                var primitive = LoweringTable.Of(operation, [.. operation.Inputs.Select(input => _written[input])]);
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

    // From the last concatenation to the first, so that the slice of a slice is one of the outermost output.
    private void ChooseSlices()
    {
        var wholes = new Dictionary<Value, List<Value>>();
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
        => _slices.TryGetValue(value, out Slice slice) ? Outermost(slice.Whole) : value;

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
        }
    }

    /// <summary>A halo that is wanted, or 0 where it is too wide.</summary>
    public static int Limit(int halo) => halo <= WidestHalo ? halo : 0;
}
