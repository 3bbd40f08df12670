using System.Diagnostics;

namespace ConvNet.Measurement.Workers;

/// <summary>Times the calls of a workload.</summary>
internal sealed class Sampler(Workload workload)
{
    // Shorter calls are timed in groups: reading the clock twice takes about 50 ns.
    private const double ShortestSampleMs = 0.02;

    private int _callsPerSample = 1;

    /// <summary>Runs the workload without timing single calls, at least twice, because the first call runs with cold
    /// caches and unmapped memory.</summary>
    public void Warm(double milliseconds)
    {
        workload.Run();
        long start = Stopwatch.GetTimestamp();
        int calls = 0;
        double elapsed;
        do
        {
            workload.Run();
            calls++;
            elapsed = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }
        while (elapsed < milliseconds);
        _callsPerSample = (int)Math.Clamp(Math.Ceiling(ShortestSampleMs * calls / elapsed), 1, 1e6);
    }

    /// <summary>Times calls, at least one.</summary>
    /// <returns>The time per call of each sample, in milliseconds, and the number of calls.</returns>
    public (List<double> Samples, int Calls) Measure(double milliseconds)
    {
        var samples = new List<double>();
        long start = Stopwatch.GetTimestamp(), end;
        do
        {
            long first = Stopwatch.GetTimestamp();
            for (int i = 0; i < _callsPerSample; i++)
                workload.Run();
            end = Stopwatch.GetTimestamp();
            samples.Add(Stopwatch.GetElapsedTime(first, end).TotalMilliseconds / _callsPerSample);
        }
        while (Stopwatch.GetElapsedTime(start, end).TotalMilliseconds < milliseconds);
        return (samples, samples.Count * _callsPerSample);
    }

    /// <summary>Times each call separately, at least one.</summary>
    /// <returns>The time of each call in milliseconds.</returns>
    public List<double> Latencies(double milliseconds)
    {
        var calls = new List<double>();
        long start = Stopwatch.GetTimestamp(), before = start;
        do
        {
            workload.Run();
            long now = Stopwatch.GetTimestamp();
            calls.Add(Stopwatch.GetElapsedTime(before, now).TotalMilliseconds);
            before = now;
        }
        while (Stopwatch.GetElapsedTime(start, before).TotalMilliseconds < milliseconds);
        return calls;
    }
}
