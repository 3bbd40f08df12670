using ConvNet.Profiling;

namespace ConvNet.Measurement;

/// <summary>The most that a processor can make of a piece of work: min(FMA peak, memory rate × intensity).</summary>
/// <remarks>
/// Both ceilings are measured by <see cref="ProcessorPeak"/>. Work may come above: Winograd's algorithms have fewer
/// operations than the direct sums that are counted, and what a cache holds comes faster than from memory.
/// Source: Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore
/// architectures", CACM 52(4), 2009.
/// </remarks>
/// <param name="PeakGflops">10⁹ operations per second.</param>
/// <param name="MemoryGBs">10⁹ bytes per second.</param>
public sealed record Roofline(double PeakGflops, double MemoryGBs)
{
    /// <summary>The rate that bounds a piece of work, in 10⁹ operations per second.</summary>
    public double BoundGflops(LayerProfile layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        return Math.Min(PeakGflops, MemoryGBs * layer.Intensity);
    }

    /// <summary>The least time of a call in milliseconds; also of work without operations to count.</summary>
    public double BoundMs(LayerProfile layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        return Math.Max(layer.Flops / PeakGflops, layer.Bytes / MemoryGBs) / 1e6;
    }

    /// <summary>Whether the memory bounds a piece of work, and not the multiply-adds.</summary>
    public bool IsBoundByMemory(LayerProfile layer) => BoundGflops(layer) < PeakGflops;

    /// <summary>The least time in percent of the median.</summary>
    public double PercentOfBound(LayerProfile layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        return layer.MedianMs > 0 ? 100 * BoundMs(layer) / layer.MedianMs : 0;
    }
}
