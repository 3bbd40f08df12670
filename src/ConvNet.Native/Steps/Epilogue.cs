using ConvNet.Native.Interop;

namespace ConvNet.Native.Steps;

/// <summary>What a kernel does to its results while they are in cache, and the slots that it reads and writes for
/// that.</summary>
/// <remarks>The descriptors have a fixed address, so that a run passes one pointer.</remarks>
internal sealed unsafe class Epilogue
{
    private readonly cn_epilogue[] _native = GC.AllocateArray<cn_epilogue>(1, pinned: true);
    private readonly cn_pool2d[] _pool = GC.AllocateArray<cn_pool2d>(1, pinned: true);
    private readonly Slot? _bias, _add, _outputs, _statistics, _winners;

    /// <summary>Initialises an epilogue. What is null is not done.</summary>
    /// <param name="bias">The bias of every channel that is added. In the backward pass its gradient is
    /// computed.</param>
    /// <param name="add">The values that are added.</param>
    /// <param name="activation">The activation that is applied. The identity for none.</param>
    /// <param name="outputs">The outputs of an activation by whose slope the results are multiplied.</param>
    /// <param name="slope">That activation. The identity for none.</param>
    /// <param name="statistics">Receives the statistics of rows.</param>
    /// <param name="pool">The pool of the results.</param>
    /// <param name="winners">The winners of the pool.</param>
    public Epilogue(Slot? bias = null, Slot? add = null, cn_activation activation = default, Slot? outputs = null,
        cn_activation slope = default, Slot? statistics = null, cn_pool2d? pool = null, Slot? winners = null)
    {
        (_bias, _add, _outputs, _statistics, _winners) = (bias, add, outputs, statistics, winners);
        _pool[0] = pool ?? default;
        _native[0] = new cn_epilogue
        {
            operations = When(bias is not null, cn_operations.CN_BIAS) | When(add is not null, cn_operations.CN_ADD)
                | When(activation.IsFusable, cn_operations.CN_ACTIVATE)
                | When(outputs is not null, cn_operations.CN_SLOPE)
                | When(statistics is not null, cn_operations.CN_STATISTICS)
                | When(pool is not null, cn_operations.CN_POOL),
            add = add?.Tensor ?? default,
            outputs = outputs?.Tensor ?? default,
            activation = outputs is null ? activation : slope,
            pool = pool is null ? null : Address(_pool),
        };
    }

    /// <summary>All slots. A step lists those that its pass reads or writes.</summary>
    public Slot?[] Slots => [_bias, _add, _outputs, _statistics, _winners];

    /// <summary>The winners of the pool. Null if there are none.</summary>
    public Slot? Winners => _winners;

    /// <summary>The descriptor. Its addresses of values are those of the last <see cref="Bind"/>; queries ignore
    /// them.</summary>
    public cn_epilogue* Pointer => Address(_native);

    /// <summary>Returns whether the epilogue includes an operation.</summary>
    public bool Does(cn_operations operation) => _native[0].operations.HasFlag(operation);

    /// <summary>Takes the addresses of the slots, after they have been assigned.</summary>
    public void Bind()
    {
        ref cn_epilogue native = ref _native[0];
        native.bias = _bias.Address();
        native.add_values = _add.Address();
        native.output_values = _outputs.Address();
        native.statistics = _statistics.Address();
        native.winners = (byte*)_winners.Address();
    }

    private static cn_operations When(bool does, cn_operations operation) => does ? operation : cn_operations.None;

    // The element of a pinned array.
    private static T* Address<T>(T[] pinned)
        where T : unmanaged
    {
        fixed (T* pointer = pinned)
            return pointer;
    }
}
