using ConvNet.Native.Interop;
using static System.FormattableString;

namespace ConvNet.Native;

/// <summary>The algorithm selected for a pass and the reason.</summary>
/// <param name="Algorithm">The algorithm.</param>
/// <param name="Reason">The reason. Empty if the layer supports only one algorithm.</param>
internal readonly record struct Selection(SumAlgorithm Algorithm, string Reason);

/// <summary>Selects the algorithm of each pass of a convolution.</summary>
/// <remarks>The selection depends only on the descriptor, the batch size and the instruction set. The algorithm, and
/// therefore every bit of the result, is the same on all machines with the same instruction set and for every number of
/// threads.</remarks>
/// <param name="Precision">Whether less accurate algorithms may be used.</param>
/// <param name="Forced">The algorithm of every layer that supports it. Null selects by estimated time.</param>
internal sealed record AlgorithmPolicy(Precision Precision, SumAlgorithm? Forced)
{
    private static readonly SumAlgorithm[] All = Enum.GetValues<SumAlgorithm>();

    /// <summary>Returns whether the Winograd algorithms support a convolution. convnet.h lists the
    /// conditions.</summary>
    public static bool HasChoice(in cn_conv2d conv)
        => conv is
        {
            window: { kernel_h: 3, kernel_w: 3, stride_h: 1, stride_w: 1, dilation_h: 1, dilation_w: 1 },
            x.layout: cn_layout.CN_BLOCKED
        } && Algorithms.HasPackedBlocks(conv);

    /// <summary>Selects the algorithm of a pass.</summary>
    /// <param name="conv">The convolution.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="n">The number of samples in a full batch.</param>
    /// <param name="isa">The instruction set.</param>
    /// <param name="transformed">Whether the weights are transformed once, outside the pass.</param>
    public Selection Choose(in cn_conv2d conv, cn_pass pass, int n, cn_isa isa, bool transformed)
    {
        if (!HasChoice(conv))
            return new Selection(SumAlgorithm.Direct, "");
        if (Forced is { } forced)
            return new Selection(forced, "requested");
        if (Precision == Precision.Accurate)
            return new Selection(SumAlgorithm.Direct, "accurate precision allows nothing less exact");
        cn_conv2d described = conv;
        double[] times =
            [.. All.Select(algorithm => CostModel.Microseconds(described, pass, algorithm, n, isa, transformed))];
        int best = Array.IndexOf(times, times.Min());
        IEnumerable<string> estimates = All.Zip(times, (algorithm, time)
            => Invariant($"{Algorithms.NameOf(algorithm)} {time:N0} µs"));
        return new Selection(All[best], $"estimates on one thread: {string.Join(", ", estimates)}");
    }
}
