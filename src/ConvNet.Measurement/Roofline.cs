using ConvNet.Profiling;

namespace ConvNet.Measurement;

/// <summary>The roofline model: attainable performance is min(FMA peak, memory bandwidth × arithmetic
/// intensity).</summary>
/// <remarks>
/// Both limits are measured by <see cref="ProcessorPeak"/>. A layer may exceed its bound: Winograd algorithms need
/// fewer operations than the direct convolution that is counted, and caches are faster than memory. Source: Williams,
/// Waterman and Patterson, "Roofline: an insightful visual performance model for multicore architectures", CACM 52(4),
/// 2009.
/// </remarks>
/// <param name="PeakGflops">The FMA peak in GFLOP/s.</param>
/// <param name="MemoryGBs">The memory bandwidth in GB/s.</param>
public sealed record Roofline(double PeakGflops, double MemoryGBs)
{
    /// <summary>Returns the attainable performance of a layer, in GFLOP/s.</summary>
    public double BoundGflops(LayerProfile layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        return Math.Min(PeakGflops, MemoryGBs * layer.Intensity);
    }

    /// <summary>Returns the lower bound of the time of a call, in milliseconds. It applies to layers without counted
    /// operations too.</summary>
    public double BoundMs(LayerProfile layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        return Math.Max(layer.Flops / PeakGflops, layer.Bytes / MemoryGBs) / 1e6;
    }

    /// <summary>Whether a layer is memory-bound rather than compute-bound.</summary>
    public bool IsBoundByMemory(LayerProfile layer) => BoundGflops(layer) < PeakGflops;

    /// <summary>Returns the lower bound as a percentage of the median time.</summary>
    public double PercentOfBound(LayerProfile layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        return layer.MedianMs > 0 ? 100 * BoundMs(layer) / layer.MedianMs : 0;
    }
}
