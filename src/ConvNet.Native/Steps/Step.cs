using ConvNet.Native.Interop;
using ConvNet.Profiling;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>The arguments of one run of a step list.</summary>
/// <param name="Context">The context that runs the kernels: instruction set and thread count.</param>
/// <param name="N">The number of samples.</param>
/// <param name="PassNumber">The index of the training pass, which keys the random masks.</param>
/// <param name="FirstSample">The index of the first sample in the whole batch, which also keys the random
/// masks.</param>
/// <param name="Inside">The optimiser step that runs as part of the weight gradients. Null if there is none.</param>
/// <param name="Statistics">Adds up statistics of a batch that executables share. Null if those of this batch are
/// used.</param>
internal readonly record struct Run(cn_context Context, int N, long PassNumber, int FirstSample = 0,
    StepInside? Inside = null, IStatisticsExchange? Statistics = null);

/// <summary>An optimiser step that runs as part of a backward pass.</summary>
/// <param name="Number">The step number, starting at 1.</param>
/// <param name="LearningRate">The learning rate.</param>
internal readonly record struct StepInside(long Number, float LearningRate);

/// <summary>One kernel call with all of its arguments except the number of samples.</summary>
/// <remarks>Created when the graph is compiled. Running a step allocates no memory.</remarks>
internal abstract class Step
{
    private readonly Slot[] _slots;

    /// <summary>Initialises a step over slots.</summary>
    /// <param name="slots">All slots that the step reads or writes, including workspace. They determine the lifetime of
    /// each slot. Null entries are ignored.</param>
    protected Step(params ReadOnlySpan<Slot?> slots)
    {
        var present = new List<Slot>();
        foreach (Slot? slot in slots)
        {
            if (slot is not null)
                present.Add(slot);
        }
        _slots = [.. present];
    }

    /// <summary>All slots that the step reads or writes.</summary>
    public IReadOnlyList<Slot> Slots => _slots;

    /// <summary>The number of floats that a full batch reads and writes. Each slot counts once, a slot that is updated
    /// in place counts twice, and workspace does not count.</summary>
    public virtual long Floats => Slots.Distinct().Where(slot => !slot.IsWorkspace).Sum(slot => slot.Floats);

    /// <summary>The profiled pass of the step. Null if the step list determines it.</summary>
    public virtual ProfiledPass? Pass => null;

    /// <summary>Called once, after the addresses of all slots have been assigned.</summary>
    public virtual void Bind()
    {
    }

    /// <summary>Runs the step.</summary>
    public abstract void Run(in Run run);
}

/// <summary>Copies a tensor into another layout.</summary>
internal sealed unsafe class ReorderStep(cn_tensor from, cn_tensor to, Slot source, Slot target) : Step(source, target)
{
    /// <inheritdoc/>
    public override ProfiledPass? Pass => ProfiledPass.Reorder;

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_reorder(run.Context, from, to, run.N, source.Pointer, target.Pointer).ThrowIfFailed();
}
