using System.Globalization;

namespace ConvNet.Measurement;

/// <summary>The peak of a process's resident memory, counted anew from a moment on. Linux only: elsewhere there is no
/// figure.</summary>
internal sealed class ResidentMemory
{
    private const string Status = "/proc/self/status", ClearReferences = "/proc/self/clear_refs";

    // Written to clear_refs it sets the peak to what is resident now.
    private const string ResetPeak = "5";

    private readonly double? _start;

    private ResidentMemory(double? start) => _start = start;

    /// <summary>Counts from now on.</summary>
    public static ResidentMemory StartCounting()
    {
        if (!OperatingSystem.IsLinux())
            return new ResidentMemory(null);
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        File.WriteAllText(ClearReferences, ResetPeak);
        return new ResidentMemory(Megabytes("VmRSS"));
    }

    /// <summary>The peak since the start beyond what was resident then, in 10⁶ bytes.</summary>
    public double? PeakMegabytes => _start is { } start ? Math.Max(0, Megabytes("VmHWM") - start) : null;

    private static double Megabytes(string name)
    {
        string line = File.ReadLines(Status).First(line => line.StartsWith(name, StringComparison.Ordinal));
        return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)
            * 1024 / 1e6;
    }
}
