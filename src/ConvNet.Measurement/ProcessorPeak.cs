using System.Diagnostics;
using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Measurement;

/// <summary>What the processor does at most, measured in the process that asks.</summary>
public static unsafe class ProcessorPeak
{
    // Some 2 ms a call: long enough to be what kernels can keep up, and short enough that nobody disturbs one of them.
    private const int Rounds = 1 << 20, Calls = 8;

    private const int TriadCalls = 8;

    /// <summary>Multiply-adds in registers, in operations per second over 10⁹: the best of many short runs.</summary>
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

    /// <summary>The memory rate in 10⁹ bytes per second: STREAM's triad over three arrays that together are twice the
    /// last-level cache.</summary>
    /// <remarks>Twelve bytes count for each element; that the store reads its line first is not counted, as STREAM does
    /// not.</remarks>
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
