using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Resampling of maps over channel blocks: padding, resizing, and slices of rows and columns. The backward
/// pass uses the transposed maps.</summary>
internal sealed class ResamplePrimitive(Operation operation, AxisTaps rows, AxisTaps columns) : Primitive(operation)
{
    /// <inheritdoc/>
    public override cn_tensor Y => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Shape);

    /// <summary>Returns the primitive of a slice of rows or columns.</summary>
    public static ResamplePrimitive Of(Operation operation, Slice layer)
    {
        (Shape x, Shape y) = (operation.Node.Inputs[0].Shape, operation.Node.Shape);
        return new(operation, Axis(SliceAxis.Rows, x.H, y.H), Axis(SliceAxis.Columns, x.W, y.W));

        AxisTaps Axis(SliceAxis axis, int inputs, int outputs)
            => AxisTaps.Copies(outputs, inputs, output => layer.Axis == axis ? layer.Start + output : output);
    }

    /// <inheritdoc/>
    public override cn_tensor X(int input) => Layouts.Tensor(cn_layout.CN_BLOCKED, Operation.Node.Inputs[0].Shape);

    /// <inheritdoc/>
    public override void Forward(Lowering plan)
        => plan.Add(new ResampleStep(plan.X(this), plan.Y(this), rows, columns), Choice.OnePass());

    /// <inheritdoc/>
    public override void Backward(Lowering plan, Slot dy)
    {
        if (plan.DX(this) is { } dx)
            plan.Add(new ResampleStep(dy, dx, rows.Transposed(), columns.Transposed()), Choice.OnePass());
    }
}

/// <summary>Resamples a tensor.</summary>
internal sealed unsafe class ResampleStep : Step
{
    private readonly Slot _from, _to;
    private readonly PinnedTaps _rows, _columns;
    private readonly cn_resampling _op;

    public ResampleStep(Slot from, Slot to, AxisTaps rows, AxisTaps columns) : base(from, to)
    {
        (_from, _to, _rows, _columns) = (from, to, new PinnedTaps(rows), new PinnedTaps(columns));
        _op = new cn_resampling { x = from.Tensor, y = to.Tensor, rows = _rows.Native, cols = _columns.Native };
    }

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_resample(run.Context, _op, run.N, _from.Pointer, _to.Pointer).ThrowIfFailed();
}

/// <summary>The taps of an axis in memory that does not move.</summary>
internal sealed unsafe class PinnedTaps
{
    private readonly int[] _starts, _indices;
    private readonly float[] _weights;

    public PinnedTaps(AxisTaps taps)
    {
        (_starts, _indices) = (Pinned(taps.Starts), Pinned(taps.Indices));
        _weights = Pinned(Array.ConvertAll(taps.Weights, weight => (float)weight));
    }

    /// <summary>The descriptor. Valid as long as this object exists.</summary>
    public cn_axis_taps Native
    {
        get
        {
            fixed (int* starts = _starts, indices = _indices)
            {
                fixed (float* weights = _weights)
                    return new cn_axis_taps { starts = starts, indices = indices, weights = weights };
            }
        }
    }

    private static T[] Pinned<T>(T[] values)
        where T : unmanaged
    {
        T[] pinned = GC.AllocateUninitializedArray<T>(values.Length, pinned: true);
        values.CopyTo(pinned, 0);
        return pinned;
    }
}
