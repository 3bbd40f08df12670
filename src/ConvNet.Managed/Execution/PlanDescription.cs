using System.Text;
using static System.FormattableString;

namespace ConvNet;

/// <summary>A backend that can describe how it runs a graph.</summary>
public interface IExplains
{
    /// <summary>Describes the plan that <see cref="IBackend.Compile"/> would make for a graph and the memory it would
    /// need, without allocating that memory.</summary>
    /// <inheritdoc cref="IBackend.Compile" path="/exception[not(@cref='T:System.InsufficientMemoryException')]"/>
    PlanDescription Explain(Graph graph, TrainingSpec spec);

    /// <summary>Describes the plan that <see cref="IBackend.CompileInference"/> would make for a graph and the memory
    /// it would need, without allocating that memory.</summary>
    /// <inheritdoc cref="Explain" path="/exception"/>
    PlanDescription ExplainInference(Graph graph, int batchSize);
}

/// <summary>Describes a backend's plan for a graph: the kernels, the memory layouts, the reasons for the choices, and
/// the memory needed.</summary>
/// <remarks>Sizes and costs are those of a full batch. <see cref="ToString"/> formats the plan as text.</remarks>
/// <param name="Purpose">The purpose of the plan: <c>training</c> or <c>inference</c>.</param>
/// <param name="Isa">The instruction set of the kernels.</param>
/// <param name="Threads">The maximum number of threads of a call.</param>
/// <param name="BatchSize">The number of samples in a full batch.</param>
/// <param name="Layers">The operations in the order of the forward pass, followed by those that belong to no layer: the
/// loss and the optimiser.</param>
/// <param name="Memory">The memory that is allocated.</param>
public sealed record PlanDescription(string Purpose, string Isa, int Threads, int BatchSize,
    IReadOnlyList<PlannedLayer> Layers, PlannedMemory Memory)
{
    /// <summary>Returns one line for each layer, one for each of its kernel calls, and one for the memory.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine($"{Purpose}, batch {BatchSize}, {Isa}, {Threads} threads");
        foreach (PlannedLayer layer in Layers)
        {
            text.AppendLine($"{layer.Title}: {string.Join(", ", layer.Reads)} → "
                + $"{layer.Writes}{(layer.Weights is { } form ? $", weights {form}" : "")}");
            foreach (PlannedCall call in layer.Calls)
                text.AppendLine($"  {call}");
        }
        return text.Append(Memory).ToString();
    }
}

/// <summary>An operation of a plan: a layer of the graph and the layers fused into it.</summary>
/// <param name="Name">The node of the layer; for an operation that is not a layer, the loss or the optimiser.</param>
/// <param name="Kind">The kind of the layer, such as <c>conv</c>.</param>
/// <param name="Fused">The nodes fused into it, in order.</param>
/// <param name="Reads">The memory layouts of its inputs.</param>
/// <param name="Writes">The memory layout of its output; null if it has none.</param>
/// <param name="Gradient">The memory layout of the gradient of its output; null if that is not computed.</param>
/// <param name="Weights">The packed format of its weights; null if it has none.</param>
/// <param name="Calls">The kernel calls, in the order in which they run.</param>
public sealed record PlannedLayer(
    string Name, string Kind, IReadOnlyList<string> Fused, IReadOnlyList<PlannedTensor> Reads, PlannedTensor? Writes,
        PlannedTensor? Gradient, string? Weights,
    IReadOnlyList<PlannedCall> Calls)
{
    /// <summary>The layer and the layers fused into it, such as <c>conv1 + relu1</c>.</summary>
    public string Title => string.Join(" + ", [Name, .. Fused]);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(PlannedLayer), (nameof(Name), Name),
        (nameof(Kind), Kind), (nameof(Fused), Fused), (nameof(Reads), Reads), (nameof(Writes), Writes),
        (nameof(Gradient), Gradient), (nameof(Weights), Weights), (nameof(Calls), Calls));
}

/// <summary>The memory layout of a value.</summary>
/// <param name="Layout"><c>plain</c>: NCHW; <c>blocked</c>: N, C/16, H, W, 16; <c>flat</c>: features in blocks of 16
/// with the batch inside each block.</param>
/// <param name="Shape">The shape of one sample.</param>
/// <param name="Halo">The width of the border of zeros around every map.</param>
/// <param name="Bytes">The size of a full batch in bytes.</param>
public sealed record PlannedTensor(string Layout, Shape Shape, int Halo, long Bytes)
{
    /// <summary>Returns text such as <c>blocked 64×56×56 halo 1</c>.</summary>
    public override string ToString() => $"{Layout} {Shape}{(Halo > 0 ? $" halo {Halo}" : "")}";
}

/// <summary>The pass in which a kernel call runs.</summary>
public enum PlannedPass
{
    /// <summary>Runs once after parameters have been written.</summary>
    Preparation,

    /// <summary>The forward pass, from the input to the output.</summary>
    Forward,

    /// <summary>The backward pass, from the gradient of the output to those of the parameters.</summary>
    Backward,

    /// <summary>The update of the parameters by the optimiser.</summary>
    Update,
}

/// <summary>One call of a kernel.</summary>
/// <param name="Pass">The pass in which it runs.</param>
/// <param name="Kernel">The computation, such as <c>conv backward weights</c>, or the library function, such as
/// <c>conv2d</c>.</param>
/// <param name="Algorithm">The algorithm.</param>
/// <param name="Reason">Why the algorithm was chosen; empty if there is no choice.</param>
/// <param name="Flops">The number of floating-point operations of its sums, two per multiply-add; 0 for a kernel
/// without dot products.</param>
/// <param name="Bytes">The number of bytes read and written. Data that is modified counts twice; workspace is not
/// included.</param>
/// <param name="WorkspaceBytes">The size of the workspace in bytes.</param>
/// <param name="Threads">The number of threads used; 1 if the work is too small to be divided.</param>
public sealed record PlannedCall(
    PlannedPass Pass, string Kernel, string Algorithm, string Reason, long Flops, long Bytes, long WorkspaceBytes,
        int Threads)
{
    /// <summary>Returns text such as <c>conv forward: direct, blocks of 16 channels (…); 1.85 GFLOP, 51.4 MB, 2
    /// threads</c>.</summary>
    public override string ToString()
    {
        string reason = Reason.Length > 0 ? $" ({Reason})" : "";
        string flops = Flops > 0 ? Invariant($"{Flops / 1e6:N1} MFLOP, ") : "", workspace = WorkspaceBytes > 0
            ? Invariant($", workspace {WorkspaceBytes / 1e6:N2} MB") : "";
        return Invariant($"{Kernel}: {Algorithm}{reason}; {flops}{Bytes / 1e6:N2} MB{workspace}, {Threads} ")
            + Invariant($"thread{(Threads == 1 ? "" : "s")}");
    }
}

/// <summary>The memory of a plan in bytes.</summary>
/// <param name="Arena">
/// Values, gradients of values and workspaces; blocks that are never needed at the same time share memory. For
/// torchsharp, which allocates memory in each call, it is the size of the values that a pass computes, all of which are
/// held until the pass ends.
/// </param>
/// <param name="ArenaWithoutReuse">The size that the arena would have without sharing.</param>
/// <param name="Values">Packed parameters and buffers.</param>
/// <param name="Gradients">Gradients of parameters that a training step stores. A backward pass that is separate from
/// its step stores all of them.</param>
/// <param name="OptimizerState">The optimiser's state, such as momentum.</param>
/// <param name="Prepared">Data computed once from the parameters and kept, such as folded weights.</param>
public sealed record PlannedMemory(long Arena, long ArenaWithoutReuse, long Values, long Gradients, long OptimizerState,
    long Prepared)
{
    /// <summary>The total memory in bytes.</summary>
    public long Total => Arena + Values + Gradients + OptimizerState + Prepared;

    /// <summary>Returns the sizes as one line of text.</summary>
    public override string ToString()
        => Invariant($"memory {Total / 1e6:N1} MB: arena {Arena / 1e6:N1} (without reuse ")
            + Invariant($"{ArenaWithoutReuse / 1e6:N1}), parameters {Values / 1e6:N1}, ")
            + Invariant($"gradients {Gradients / 1e6:N1}, optimiser {OptimizerState / 1e6:N1}, prepared ")
                + Invariant($"{Prepared / 1e6:N1}");
}
