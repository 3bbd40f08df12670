using ConvNet.Native.Interop;
using ConvNet.Profiling;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Copies a tensor into another layout.</summary>
internal sealed unsafe class ReorderStep(cn_tensor from, cn_tensor to, Slot source, Slot target) : Step(source, target)
{
    /// <inheritdoc/>
    public override ProfiledPass? Pass => ProfiledPass.Reorder;

    /// <inheritdoc/>
    public override void Run(in Run run)
        => cn_reorder(run.Context, from, to, run.N, source.Pointer, target.Pointer).ThrowIfFailed();
}
