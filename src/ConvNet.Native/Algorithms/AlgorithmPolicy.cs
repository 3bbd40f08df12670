using ConvNet.Native.Interop;
using static System.FormattableString;

namespace ConvNet.Native;

/// <summary>The algorithm selected for a pass and the reason.</summary>
/// <param name="Algorithm">The algorithm.</param>
/// <param name="Reason">The reason. Empty if the layer supports only one algorithm.</param>
internal readonly record struct Selection(SumAlgorithm Algorithm, string Reason)
{
    /// <summary>Whether the layer supports several algorithms.</summary>
    public bool IsChoice => Reason.Length > 0;
}

/// <summary>Selects the algorithm of each pass of a convolution.</summary>
/// <remarks>The selection depends only on the descriptor, the batch size and the instruction set, as the library's
/// estimates do. The algorithm, and therefore every bit of the result, is the same on all machines with the same
/// instruction set, for every number of threads, and whatever is fused into the convolution.</remarks>
/// <param name="Precision">Whether less accurate algorithms may be used.</param>
/// <param name="Forced">The algorithm of every layer that supports it. Null selects by estimated time.</param>
internal sealed unsafe record AlgorithmPolicy(Precision Precision, SumAlgorithm? Forced)
{
    private static readonly SumAlgorithm[] All = Enum.GetValues<SumAlgorithm>();

    /// <summary>Selects the algorithm of a pass.</summary>
    /// <param name="context">The context that runs the kernels.</param>
    /// <param name="conv">The convolution.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="n">The number of samples in a full batch.</param>
    /// <param name="transformed">Whether weights that an algorithm transforms are transformed once, outside the
    /// pass.</param>
    public Selection Choose(in cn_context context, in cn_conv2d conv, cn_pass pass, int n, bool transformed)
    {
        var times = new List<(SumAlgorithm Algorithm, double Nanoseconds)>();
        foreach (SumAlgorithm algorithm in All)
        {
            cn_conv2d with = conv with { algorithm = (cn_algorithm)algorithm };
            if (ConvKernels.Find(context, with, null, pass, n) is not { } variant)
                continue;
            if (transformed && variant.transformed > 0)
                variant = ConvKernels.Describe(context, with with { transformed = 1 }, null, pass, n);
            times.Add((algorithm, variant.nanoseconds));
        }
        if (times.Count < 2)
            return new Selection(SumAlgorithm.Direct, "");
        if (Forced is { } forced)
            return new Selection(forced, "requested");
        if (Precision == Precision.Accurate)
            return new Selection(SumAlgorithm.Direct, "accurate precision allows nothing less exact");
        IEnumerable<string> estimates = times.Select(each
            => Invariant($"{Algorithms.NameOf(each.Algorithm)} {each.Nanoseconds / 1000:N0} µs"));
        return new Selection(times.MinBy(each => each.Nanoseconds).Algorithm,
            $"estimates on one thread: {string.Join(", ", estimates)}");
    }
}
