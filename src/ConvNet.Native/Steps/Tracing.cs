using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>A tensor that is complete between two steps of a list.</summary>
/// <param name="Step">The number of steps of the list that run before.</param>
/// <param name="Operation">The operation that computes the tensor, or whose output has this gradient.</param>
/// <param name="Kind">What the tensor is.</param>
/// <param name="Slot">The tensor.</param>
/// <param name="IsReplaceable">Whether every later reader reads the slot, and no other tensor shares its
/// memory.</param>
internal readonly record struct Boundary(int Step, Operation Operation, TracedKind Kind, Slot Slot, bool IsReplaceable);

/// <summary>Shows the tensors between the operations of a pass as N×C×H×W, and takes the values that replace
/// them.</summary>
internal sealed unsafe class Tracing : IDisposable
{
    private readonly Dictionary<Operation, TracedOperation> _operations;
    private readonly long _most;
    private NativeBlock? _values;

    /// <summary>Initialises the tracing of a pass.</summary>
    public Tracing(Lowering plan)
    {
        _operations = plan.Graph.Operations.ToDictionary(operation => operation,
            operation => new TracedOperation([operation.Node, .. operation.Fused]));
        Operations = [.. plan.Graph.Operations.Select(operation => _operations[operation])];
        _most = plan.ForwardBoundaries.Concat(plan.BackwardBoundaries)
            .Select(boundary => Length(boundary.Slot.Tensor, plan.Pass.BatchSize)).DefaultIfEmpty().Max();
    }

    /// <summary>The operations in the order of the forward pass.</summary>
    public IReadOnlyList<TracedOperation> Operations { get; }

    /// <summary>Receives the tensors. Null shows nothing.</summary>
    public TraceCallback? Callback { get; set; }

    /// <summary>Shows a tensor, and replaces it if the callback has written other values.</summary>
    /// <exception cref="InvalidOperationException">The callback has replaced a tensor that is not
    /// replaceable.</exception>
    public void Show(in Boundary boundary, in Run run)
    {
        // The callback gets a copy, so that what it writes into a tensor that is not replaced has no effect.
        _values ??= new NativeBlock(_most, clear: false);
        Slot slot = boundary.Slot;
        cn_tensor plain = Plain(slot.Tensor);
        cn_reorder(run.Context, slot.Tensor, plain, run.N, slot.Pointer, _values.Pointer).ThrowIfFailed();
        var values = new Span<float>(_values.Pointer, checked((int)Length(plain, run.N)));
        TracedOperation operation = _operations[boundary.Operation];
        if (!Callback!(new TracedTensor(operation, boundary.Kind, run.N, values, boundary.IsReplaceable)))
            return;
        if (!boundary.IsReplaceable)
            throw new InvalidOperationException($"The trace has replaced a tensor ({boundary.Kind} of {operation}) "
                + "that is not replaceable. Return false if IsReplaceable is false.");
        cn_reorder(run.Context, plain, slot.Tensor, run.N, _values.Pointer, slot.Pointer).ThrowIfFailed();
    }

    /// <summary>Frees the memory. The next tensor that is shown allocates it again.</summary>
    public void Dispose()
    {
        _values?.Dispose();
        _values = null;
    }

    private static cn_tensor Plain(cn_tensor tensor)
        => tensor with { layout = cn_layout.CN_PLAIN, halo = 0, sample_stride = 0 };

    private static long Length(cn_tensor tensor, int n) => cn_tensor_bytes(Plain(tensor), n).FloatsOrThrow();
}
