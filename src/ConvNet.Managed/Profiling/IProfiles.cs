using System.Text.Json;
using System.Text.Json.Serialization;

namespace ConvNet.Profiling;

/// <summary>An executable that can say where its time goes.</summary>
/// <remarks>
/// Without a recording it runs as ever: its kernels know of none. With one, each part of a call costs two looks at the
/// clock, some 100 ns.
/// <code>
/// using Recording recording = ((IProfiles)network).Record();
/// for (int i = 0; i &lt; 20; i++)
///     recording.Call(() => network.TrainStep(input, labels, 0.1f));
/// NetworkProfile profile = recording.Profile();
/// </code>
/// </remarks>
public interface IProfiles
{
    /// <summary>Times the parts of every call from now on, of training where the executable trains, until the recording
    /// is disposed.</summary>
    /// <exception cref="InvalidOperationException">It is being recorded already.</exception>
    Recording Record();
}

/// <summary>The part of a step that a piece of work belongs to.</summary>
[JsonConverter(typeof(ProfiledPassConverter))]
public enum ProfiledPass
{
    /// <summary>What depends on parameters alone, after they were written: once.</summary>
    Preparation,

    /// <summary>The output of a layer.</summary>
    Forward,

    /// <summary>The loss, and the gradient of the output.</summary>
    Loss,

    /// <summary>The gradient of a layer's inputs.</summary>
    BackwardData,

    /// <summary>The gradient of a layer's weights, and the optimiser's step where it runs inside.</summary>
    BackwardWeights,

    /// <summary>Both gradients at once.</summary>
    Backward,

    /// <summary>The optimiser's step where it runs by itself.</summary>
    Update,

    /// <summary>A value copied from one layout of memory into another.</summary>
    Reorder,
}

/// <summary>Passes in words, as <c>backward-data</c>.</summary>
public sealed class ProfiledPassConverter() : JsonStringEnumConverter<ProfiledPass>(JsonNamingPolicy.KebabCaseLower)
{
    /// <summary>A pass as people and documents have it.</summary>
    public static string Word(ProfiledPass pass) => JsonNamingPolicy.KebabCaseLower.ConvertName($"{pass}");
}

/// <summary>A piece of work of a network, as one call of a kernel: what it is, and how long it took.</summary>
/// <remarks>Algorithm and costs are those of a plan for whole steps, as <see cref="IExecutable.TrainStep"/> and
/// <see cref="IExecutable.Infer"/> take them.</remarks>
/// <param name="Node">The layer whose work it is; the loss or the optimiser where it is no layer's.</param>
/// <param name="Kind">The layer's kind, as <c>conv</c>.</param>
/// <param name="Fused">The layers that run inside it, in their order.</param>
/// <param name="Pass">The part of a step that it belongs to.</param>
/// <param name="Kernel">What is computed, as <c>conv backward weights</c>.</param>
/// <param name="Algorithm">How.</param>
/// <param name="Reason">Why so; empty where there is no choice.</param>
/// <param name="Shape">One sample of what the layer reads and writes, as <c>3×32×32 → 16×32×32</c>.</param>
/// <param name="Flops">Floating-point operations of a call with a full batch, two for each multiply-add of direct sums;
/// 0 without dot products.</param>
/// <param name="Bytes">Compulsory traffic of a call with a full batch: what it must read and write as it was planned
/// (inputs, outputs, weights, gradients), each value once, what it changes twice; workspace aside.</param>
/// <param name="Threads">Threads that it may use.</param>
public sealed record LayerProfile(
    string Node, string Kind, IReadOnlyList<string> Fused, ProfiledPass Pass, string Kernel, string Algorithm,
        string Reason, string Shape, long Flops, long Bytes, int Threads)
{
    /// <summary>Times that it ran.</summary>
    public int Calls { get; init; }

    /// <summary>Milliseconds of all of them.</summary>
    public double TotalMs { get; init; }

    /// <summary>The median of them.</summary>
    public double MedianMs { get; init; }

    /// <summary>The layer and what runs inside it, as <c>conv1 + relu1</c>.</summary>
    public string Title => string.Join(" + ", [Node, .. Fused]);

    /// <summary>Operations per second over 10⁹, by the median.</summary>
    public double Gflops => MedianMs > 0 ? Flops / MedianMs / 1e6 : 0;

    /// <summary>Bytes per second over 10⁹, by the median: of the compulsory traffic, wherever the values came
    /// from.</summary>
    public double GigabytesPerSecond => MedianMs > 0 ? Bytes / MedianMs / 1e6 : 0;

    /// <summary>Operations for each byte of compulsory traffic.</summary>
    public double Intensity => Bytes > 0 ? (double)Flops / Bytes : 0;

    /// <summary>What <see cref="Shape"/> says of a node with others fused into it.</summary>
    /// <param name="first">The node that reads.</param>
    /// <param name="last">The node that writes.</param>
    internal static string ShapeOf(Node first, Node last)
        => $"{string.Join(", ", first.Inputs.Select(input => input.Shape))} → {last.Shape}";

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(LayerProfile), (nameof(Node), Node),
        (nameof(Kind), Kind), (nameof(Fused), Fused), (nameof(Pass), Pass), (nameof(Kernel), Kernel),
        (nameof(Algorithm), Algorithm), (nameof(Reason), Reason), (nameof(Shape), Shape), (nameof(Flops), Flops),
        (nameof(Bytes), Bytes), (nameof(Threads), Threads), (nameof(Calls), Calls), (nameof(TotalMs), TotalMs),
        (nameof(MedianMs), MedianMs));
}

/// <summary>Where the time of a network's calls went.</summary>
/// <param name="Calls">The calls that were recorded.</param>
/// <param name="TotalMs">Milliseconds of all of them, from outside.</param>
/// <param name="MedianMs">The median of them.</param>
/// <param name="Layers">The pieces of work in the order in which they run.</param>
/// <param name="Spans">When the first calls, and their pieces, ran.</param>
public sealed record NetworkProfile(int Calls, double TotalMs, double MedianMs, IReadOnlyList<LayerProfile> Layers,
    IReadOnlyList<ProfiledSpan> Spans)
{
    /// <summary>Milliseconds that belong to no layer: checks, the way from one kernel to the next, and looks at the
    /// clock.</summary>
    public double BetweenMs => TotalMs - Layers.Sum(layer => layer.TotalMs);

    /// <summary>Operations of a call with a full batch.</summary>
    public long Flops => Layers.Sum(layer => layer.Flops);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(NetworkProfile), (nameof(Calls), Calls),
        (nameof(TotalMs), TotalMs), (nameof(MedianMs), MedianMs), (nameof(Layers), Layers), (nameof(Spans), Spans));
}

/// <summary>When a call, or a piece of its work, ran.</summary>
/// <param name="Layer">The piece by its place among <see cref="NetworkProfile.Layers"/>; null where it is the whole
/// call.</param>
/// <param name="StartUs">Microseconds since the recording began.</param>
/// <param name="DurationUs">Microseconds that it took.</param>
public readonly record struct ProfiledSpan(int? Layer, double StartUs, double DurationUs);
