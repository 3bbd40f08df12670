using System.Text.Json;
using System.Text.Json.Serialization;

namespace ConvNet.Profiling;

/// <summary>An executable that can measure where its time is spent.</summary>
/// <remarks>
/// Without a recording there is no overhead. With one, each part of a call reads the clock twice, which takes about
/// 100 ns.
/// <code>
/// using Recording recording = ((IProfiles)network).Record();
/// for (int i = 0; i &lt; 20; i++)
///     recording.Call(() => network.TrainStep(input, labels, 0.1f));
/// NetworkProfile profile = recording.Profile();
/// </code>
/// </remarks>
public interface IProfiles
{
    /// <summary>Starts timing the parts of every call until the recording is disposed. If the executable trains, only
    /// its training calls are timed.</summary>
    /// <exception cref="InvalidOperationException">A recording is already active.</exception>
    /// <exception cref="InsufficientMemoryException">There is not enough memory for the pass that is
    /// recorded.</exception>
    /// <exception cref="NotSupportedException">The pass that is recorded is too large for the backend.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    Recording Record();
}

/// <summary>The pass to which a kernel call belongs.</summary>
[JsonConverter(typeof(ProfiledPassConverter))]
public enum ProfiledPass
{
    /// <summary>Work that depends on the parameters alone; it runs once after they have been written.</summary>
    Preparation,

    /// <summary>Computes the output of a layer.</summary>
    Forward,

    /// <summary>Computes the loss and the gradient of the output.</summary>
    Loss,

    /// <summary>Computes the gradient of a layer's inputs.</summary>
    BackwardData,

    /// <summary>Computes the gradient of a layer's weights, including the optimiser's step if it is fused.</summary>
    BackwardWeights,

    /// <summary>Computes both gradients in one call.</summary>
    Backward,

    /// <summary>The optimiser's step, if it is not fused.</summary>
    Update,

    /// <summary>Copies a value from one memory layout to another.</summary>
    Reorder,
}

/// <summary>Converts passes to and from words such as <c>backward-data</c>.</summary>
internal sealed class ProfiledPassConverter() : JsonStringEnumConverter<ProfiledPass>(JsonNamingPolicy.KebabCaseLower)
{
    /// <summary>Gets the word for a pass that is used in reports and files.</summary>
    public static string Word(ProfiledPass pass) => JsonNamingPolicy.KebabCaseLower.ConvertName($"{pass}");
}

/// <summary>One kernel call of a network: what it computes and how long it took.</summary>
/// <remarks>Algorithm and costs are those of the plan for complete steps, as used by
/// <see cref="IExecutable.TrainStep"/> and <see cref="IExecutable.Infer"/>.</remarks>
/// <param name="Node">The layer to which the call belongs; for a call that belongs to no layer, the loss or the
/// optimiser.</param>
/// <param name="Kind">The kind of the layer, such as <c>conv</c>.</param>
/// <param name="Fused">The layers fused into it, in order.</param>
/// <param name="Pass">The pass to which the call belongs.</param>
/// <param name="Kernel">The computation, such as <c>conv backward weights</c>.</param>
/// <param name="Algorithm">The algorithm.</param>
/// <param name="Reason">Why the algorithm was chosen; empty if there is no choice.</param>
/// <param name="Shape">The shapes of one sample of the layer's input and output, such as
/// <c>3×32×32 → 16×32×32</c>.</param>
/// <param name="Flops">The number of floating-point operations of a call with a full batch, two for each multiply-add
/// of direct sums; 0 for a kernel without dot products.</param>
/// <param name="Bytes">The compulsory memory traffic of a call with a full batch in bytes: the planned inputs, outputs,
/// weights and gradients. Each value counts once, a modified one twice; workspace is not included.</param>
/// <param name="Threads">The maximum number of threads.</param>
public sealed record LayerProfile(
    string Node, string Kind, IReadOnlyList<string> Fused, ProfiledPass Pass, string Kernel, string Algorithm,
        string Reason, string Shape, long Flops, long Bytes, int Threads)
{
    /// <summary>The number of times that the call ran.</summary>
    public int Calls { get; init; }

    /// <summary>The total time of all runs in milliseconds.</summary>
    public double TotalMs { get; init; }

    /// <summary>The median time of a run in milliseconds.</summary>
    public double MedianMs { get; init; }

    /// <summary>The layer and the layers fused into it, such as <c>conv1 + relu1</c>.</summary>
    public string Title => string.Join(" + ", [Node, .. Fused]);

    /// <summary>The rate of floating-point operations in GFLOP/s, computed from the median time.</summary>
    public double Gflops => MedianMs > 0 ? Flops / MedianMs / 1e6 : 0;

    /// <summary>The rate of the compulsory memory traffic in GB/s, computed from the median time. The data may come
    /// from any level of the memory hierarchy.</summary>
    public double GigabytesPerSecond => MedianMs > 0 ? Bytes / MedianMs / 1e6 : 0;

    /// <summary>The arithmetic intensity: floating-point operations per byte of compulsory traffic.</summary>
    public double Intensity => Bytes > 0 ? (double)Flops / Bytes : 0;

    /// <summary>Formats <see cref="Shape"/> for a node with others fused into it.</summary>
    /// <param name="first">The node that reads the input.</param>
    /// <param name="last">The node that writes the output.</param>
    internal static string ShapeOf(Node first, Node last)
        => $"{string.Join(", ", first.Inputs.Select(input => input.Shape))} → {last.Shape}";

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(LayerProfile), (nameof(Node), Node),
        (nameof(Kind), Kind), (nameof(Fused), Fused), (nameof(Pass), Pass), (nameof(Kernel), Kernel),
        (nameof(Algorithm), Algorithm), (nameof(Reason), Reason), (nameof(Shape), Shape), (nameof(Flops), Flops),
        (nameof(Bytes), Bytes), (nameof(Threads), Threads), (nameof(Calls), Calls), (nameof(TotalMs), TotalMs),
        (nameof(MedianMs), MedianMs));
}

/// <summary>Shows where the time of a network's calls is spent.</summary>
/// <param name="Calls">The number of calls recorded.</param>
/// <param name="TotalMs">The total time of the calls in milliseconds, measured around each call.</param>
/// <param name="MedianMs">The median time of a call in milliseconds.</param>
/// <param name="Layers">The kernel calls in the order in which they run.</param>
/// <param name="Spans">The time spans of the first calls and of their kernel calls.</param>
public sealed record NetworkProfile(int Calls, double TotalMs, double MedianMs, IReadOnlyList<LayerProfile> Layers,
    IReadOnlyList<ProfiledSpan> Spans)
{
    /// <summary>The time outside all layers in milliseconds: argument checks, the transitions between kernels, and
    /// reading the clock.</summary>
    public double BetweenMs => TotalMs - Layers.Sum(layer => layer.TotalMs);

    /// <summary>The number of floating-point operations of a call with a full batch.</summary>
    public long Flops => Layers.Sum(layer => layer.Flops);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(NetworkProfile), (nameof(Calls), Calls),
        (nameof(TotalMs), TotalMs), (nameof(MedianMs), MedianMs), (nameof(Layers), Layers), (nameof(Spans), Spans));
}

/// <summary>The time span of a call or of one of its kernel calls.</summary>
/// <param name="Layer">The index of the kernel call in <see cref="NetworkProfile.Layers"/>; null for the whole
/// call.</param>
/// <param name="StartUs">The start in microseconds since the recording began.</param>
/// <param name="DurationUs">The duration in microseconds.</param>
public readonly record struct ProfiledSpan(int? Layer, double StartUs, double DurationUs);
