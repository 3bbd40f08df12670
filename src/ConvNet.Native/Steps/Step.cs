using ConvNet.Native.Interop;
using ConvNet.Profiling;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>What a step needs to know of the call that it runs in.</summary>
/// <param name="Context">Who computes.</param>
/// <param name="N">Samples.</param>
/// <param name="Step">The number of the training pass; keys random masks.</param>
/// <param name="FirstSample">The number of the first sample in the whole batch; keys random masks too.</param>
/// <param name="Inside">The step that weights take inside their gradients; null where they take none.</param>
internal readonly record struct Run(cn_context Context, int N, long Step, int FirstSample = 0,
    StepInside? Inside = null);

/// <summary>A step of the optimiser inside a backward pass.</summary>
/// <param name="Number">Its number, from 1.</param>
/// <param name="LearningRate">Its learning rate.</param>
internal readonly record struct StepInside(long Number, float LearningRate);

/// <summary>One call of a kernel, with everything that it needs but the number of samples.</summary>
/// <remarks>Made once, when the graph is compiled; running it allocates nothing.</remarks>
internal abstract class Step
{
    private readonly Slot[] _slots;

    /// <summary>Makes a step over some memory.</summary>
    /// <param name="slots">All that it reads or writes, workspace too; decides how long each lives. A null is left
    /// out.</param>
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

    /// <summary>All that it reads or writes.</summary>
    public IReadOnlyList<Slot> Slots => _slots;

    /// <summary>Floats that a full batch must read and write: each slot once, and what it changes twice; no
    /// workspace.</summary>
    public virtual long Floats => Slots.Distinct().Where(slot => !slot.IsWorkspace).Sum(slot => slot.Floats);

    /// <summary>The part of a training step that it belongs to, where that does not follow from its list.</summary>
    public virtual ProfiledPass? Pass => null;

    /// <summary>Called once, when every slot has its place.</summary>
    public virtual void Bind()
    {
    }

    /// <summary>Computes.</summary>
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
