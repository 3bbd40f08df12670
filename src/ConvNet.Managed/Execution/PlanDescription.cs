using System.Text;
using static System.FormattableString;

namespace ConvNet;

/// <summary>A backend that says how it runs a graph.</summary>
public interface IExplains
{
    /// <summary>What <see cref="IBackend.Compile"/> would make of a graph, and in how much memory; takes none of
    /// it.</summary>
    /// <inheritdoc cref="IBackend.Compile" path="/exception[not(@cref='T:System.InsufficientMemoryException')]"/>
    PlanDescription Explain(Graph graph, TrainingSpec spec);

    /// <summary>What <see cref="IBackend.CompileInference"/> would make of a graph, and in how much memory; takes none
    /// of it.</summary>
    /// <inheritdoc cref="Explain" path="/exception"/>
    PlanDescription ExplainInference(Graph graph, int batchSize);
}

/// <summary>What a backend made of a graph: which kernels run over which layouts, why, and in how much
/// memory.</summary>
/// <remarks>Sizes and costs are those of a full batch. <see cref="ToString"/> gives it as text.</remarks>
/// <param name="Purpose">What the plan is for: <c>training</c> or <c>inference</c>.</param>
/// <param name="Isa">The instruction set of the kernels.</param>
/// <param name="Threads">The threads that a call may use.</param>
/// <param name="BatchSize">Samples in a full batch.</param>
/// <param name="Layers">The operations in the order in which they run forward; behind them what belongs to no layer:
/// the loss and the optimiser.</param>
/// <param name="Memory">What is allocated.</param>
public sealed record PlanDescription(string Purpose, string Isa, int Threads, int BatchSize,
    IReadOnlyList<PlannedLayer> Layers, PlannedMemory Memory)
{
    /// <summary>One line for every layer, one for each of its kernel calls, and the memory.</summary>
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

/// <summary>An operation: a layer of the graph with those that were fused into it.</summary>
/// <param name="Name">The node whose layer computes; the loss or the optimiser where it is no layer.</param>
/// <param name="Kind">The layer's kind, as <c>conv</c>.</param>
/// <param name="Fused">The nodes that run inside it, in their order.</param>
/// <param name="Reads">How its inputs lie in memory.</param>
/// <param name="Writes">How its output lies; null where it writes none.</param>
/// <param name="Gradient">How the gradient of its output lies; null where it is not computed.</param>
/// <param name="Weights">The packed form of its weights; null where it has none.</param>
/// <param name="Calls">The kernels that it takes, in the order in which they run.</param>
public sealed record PlannedLayer(
    string Name, string Kind, IReadOnlyList<string> Fused, IReadOnlyList<PlannedTensor> Reads, PlannedTensor? Writes,
        PlannedTensor? Gradient, string? Weights,
    IReadOnlyList<PlannedCall> Calls)
{
    /// <summary>The layer and what is fused into it, as <c>conv1 + relu1</c>.</summary>
    public string Title => string.Join(" + ", [Name, .. Fused]);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(PlannedLayer), (nameof(Name), Name),
        (nameof(Kind), Kind), (nameof(Fused), Fused), (nameof(Reads), Reads), (nameof(Writes), Writes),
        (nameof(Gradient), Gradient), (nameof(Weights), Weights), (nameof(Calls), Calls));
}

/// <summary>How a value lies in memory.</summary>
/// <param name="Layout"><c>plain</c>: NCHW; <c>blocked</c>: N, C/16, H, W, 16; <c>flat</c>: features in blocks of 16,
/// with the batch inside.</param>
/// <param name="Shape">The shape of one sample.</param>
/// <param name="Halo">The width of the border of zeros around every map.</param>
/// <param name="Bytes">Bytes of a full batch.</param>
public sealed record PlannedTensor(string Layout, Shape Shape, int Halo, long Bytes)
{
    /// <summary>As <c>blocked 64×56×56 halo 1</c>.</summary>
    public override string ToString() => $"{Layout} {Shape}{(Halo > 0 ? $" halo {Halo}" : "")}";
}

/// <summary>The parts of a step.</summary>
public enum PlannedPass
{
    /// <summary>After parameters were written, once.</summary>
    Preparation,

    /// <summary>From the input to the output.</summary>
    Forward,

    /// <summary>From the gradient of the output to those of the parameters.</summary>
    Backward,

    /// <summary>The optimiser's.</summary>
    Update,
}

/// <summary>One call of a kernel.</summary>
/// <param name="Pass">When it runs.</param>
/// <param name="Kernel">What it computes, as <c>conv backward weights</c>, or the library's function, as
/// <c>conv2d</c>.</param>
/// <param name="Algorithm">How.</param>
/// <param name="Reason">Why so; empty where there is no choice.</param>
/// <param name="Flops">Floating-point operations of its sums, two per multiply-add; 0 for a kernel without dot
/// products.</param>
/// <param name="Bytes">Bytes of all that it reads and writes, each once and what it changes twice, workspace
/// aside.</param>
/// <param name="WorkspaceBytes">Bytes that it needs besides.</param>
/// <param name="Threads">Threads that it uses: 1 where its work is not worth waking others.</param>
public sealed record PlannedCall(
    PlannedPass Pass, string Kernel, string Algorithm, string Reason, long Flops, long Bytes, long WorkspaceBytes,
        int Threads)
{
    /// <summary>As <c>conv forward: direct, blocks of 16 channels (…); 1.85 GFLOP, 51.4 MB, 2 threads</c>.</summary>
    public override string ToString()
    {
        string reason = Reason.Length > 0 ? $" ({Reason})" : "";
        string flops = Flops > 0 ? Invariant($"{Flops / 1e6:N1} MFLOP, ") : "", workspace = WorkspaceBytes > 0
            ? Invariant($", workspace {WorkspaceBytes / 1e6:N2} MB") : "";
        return Invariant($"{Kernel}: {Algorithm}{reason}; {flops}{Bytes / 1e6:N2} MB{workspace}, {Threads} ")
            + Invariant($"thread{(Threads == 1 ? "" : "s")}");
    }
}

/// <summary>The memory of a plan, in bytes.</summary>
/// <param name="Arena">
/// Values, gradients of values and workspaces; what is never needed together shares a place. Of torchsharp, which
/// allocates call by call, the values that a pass makes, all of which live until it ends.
/// </param>
/// <param name="ArenaWithoutReuse">What they would take side by side.</param>
/// <param name="Values">Parameters and buffers, packed.</param>
/// <param name="Gradients">Gradients of parameters that a training step stores; a backward pass apart from its step
/// stores all.</param>
/// <param name="OptimizerState">The optimiser's state, as momentum.</param>
/// <param name="Prepared">What is computed from parameters once and kept, as folded weights.</param>
public sealed record PlannedMemory(long Arena, long ArenaWithoutReuse, long Values, long Gradients, long OptimizerState,
    long Prepared)
{
    /// <summary>All of it.</summary>
    public long Total => Arena + Values + Gradients + OptimizerState + Prepared;

    /// <summary>As one line.</summary>
    public override string ToString()
        => Invariant($"memory {Total / 1e6:N1} MB: arena {Arena / 1e6:N1} (without reuse ")
            + Invariant($"{ArenaWithoutReuse / 1e6:N1}), parameters {Values / 1e6:N1}, ")
            + Invariant($"gradients {Gradients / 1e6:N1}, optimiser {OptimizerState / 1e6:N1}, prepared ")
                + Invariant($"{Prepared / 1e6:N1}");
}
