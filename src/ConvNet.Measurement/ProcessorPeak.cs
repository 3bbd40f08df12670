using System.Diagnostics;
using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Measurement;

/// <summary>Measures the limits of the processor, in the calling process.</summary>
internal static unsafe class ProcessorPeak
{
    // About 2 ms per call: long enough to be sustainable, short enough that some calls run undisturbed.
    private const int Rounds = 1 << 20, Calls = 8;

    private const int TriadCalls = 8;

    /// <summary>Returns the FMA peak in GFLOP/s: multiply-adds in registers, the best of several short runs.</summary>
    public static double Gflops(NativeBackend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        using var counts = new NativeBlock((long)backend.Info.Threads * CN_BLOCK, clear: true);
        double shortest = double.PositiveInfinity;
        for (int i = 0; i < Calls; i++)
        {
            long start = Stopwatch.GetTimestamp();
            cn_fma_rounds(backend.Context, Rounds, counts.Pointer).ThrowIfFailed();
            shortest = Math.Min(shortest, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        double multiplyAdds = 0;
        foreach (float count in new ReadOnlySpan<float>(counts.Pointer, (int)counts.Length))
            multiplyAdds += count;
        return 2 * multiplyAdds / shortest / 1e9;
    }

    /// <summary>Returns the memory bandwidth in GB/s: STREAM triad over three arrays whose total size is twice the
    /// last-level cache.</summary>
    /// <remarks>Counts 12 bytes per element. As in STREAM, the read that a store to an uncached line causes is not
    /// counted.</remarks>
    public static double MemoryGigabytesPerSecond(NativeBackend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        long count = Math.Max(Machine.LastLevelCacheBytes, 1 << 25) * 2 / 3 / sizeof(float);
        using NativeBlock a = new(count, clear: true), b = new(count, clear: true), sum = new(count, clear: true);
        double shortest = double.PositiveInfinity;
        for (int i = 0; i < TriadCalls; i++)
        {
            long start = Stopwatch.GetTimestamp();
            cn_triad(backend.Context, count, 3, a.Pointer, b.Pointer, sum.Pointer).ThrowIfFailed();
            shortest = Math.Min(shortest, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return 3.0 * sizeof(float) * count / shortest / 1e9;
    }
}
