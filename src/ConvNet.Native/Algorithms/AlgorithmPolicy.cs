using ConvNet.Native.Interop;
using static System.FormattableString;

namespace ConvNet.Native;

/// <summary>The algorithm of a pass, and why it was taken.</summary>
/// <param name="Algorithm">The algorithm.</param>
/// <param name="Reason">Why; empty where the layer leaves no choice.</param>
internal readonly record struct Selection(SumAlgorithm Algorithm, string Reason);

/// <summary>Decides which algorithm each pass of a convolution takes.</summary>
/// <remarks>From its descriptor, the batch size and the instruction set alone: the choice, and so every bit, is the
/// same on all machines of an instruction set, and for every number of threads.</remarks>
/// <param name="Precision">Whether less exact algorithms may be taken.</param>
/// <param name="Forced">What every layer takes that can; null where the estimate decides.</param>
internal sealed record AlgorithmPolicy(Precision Precision, SumAlgorithm? Forced)
{
    private static readonly SumAlgorithm[] All = Enum.GetValues<SumAlgorithm>();

    /// <summary>Whether the Winograd algorithms can compute a convolution: convnet.h says when.</summary>
    public static bool HasChoice(in cn_conv2d conv)
        => conv is
        {
            window: { kernel_h: 3, kernel_w: 3, stride_h: 1, stride_w: 1, dilation_h: 1, dilation_w: 1 },
            x.layout: cn_layout.CN_BLOCKED
        } && Algorithms.HasPackedBlocks(conv);

    /// <summary>Decides for a pass.</summary>
    /// <param name="conv">The convolution.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="n">Samples in a full batch.</param>
    /// <param name="isa">The instruction set.</param>
    /// <param name="transformed">Whether the weights are transformed once, apart from the pass.</param>
    public Selection Choose(in cn_conv2d conv, cn_pass pass, int n, cn_isa isa, bool transformed)
    {
        if (!HasChoice(conv))
            return new Selection(SumAlgorithm.Direct, "");
        if (Forced is { } forced)
            return new Selection(forced, "asked for");
        if (Precision == Precision.Accurate)
            return new Selection(SumAlgorithm.Direct, "nothing less exact was allowed");
        cn_conv2d described = conv;
        double[] times =
            [.. All.Select(algorithm => CostModel.Microseconds(described, pass, algorithm, n, isa, transformed))];
        int best = Array.IndexOf(times, times.Min());
        IEnumerable<string> estimates = All.Zip(times, (algorithm, time)
            => Invariant($"{Algorithms.NameOf(algorithm)} {time:N0} µs"));
        return new Selection(All[best], $"estimates on one thread: {string.Join(", ", estimates)}");
    }
}
