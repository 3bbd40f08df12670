using System.Globalization;

namespace ConvNet.Measurement;

/// <summary>Measures the peak resident memory of this process from a given point in time. Supported on Linux
/// only.</summary>
internal sealed class ResidentMemory
{
    private const string Status = "/proc/self/status", ClearReferences = "/proc/self/clear_refs";

    // Written to clear_refs, resets the peak to the current resident size.
    private const string ResetPeak = "5";

    private readonly double? _start;

    private ResidentMemory(double? start) => _start = start;

    /// <summary>Starts counting.</summary>
    public static ResidentMemory StartCounting()
    {
        if (!OperatingSystem.IsLinux())
            return new ResidentMemory(null);
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        File.WriteAllText(ClearReferences, ResetPeak);
        return new ResidentMemory(Megabytes("VmRSS"));
    }

    /// <summary>The peak since the start, less the resident size at the start, in MB. Null if not supported.</summary>
    public double? PeakMegabytes => _start is { } start ? Math.Max(0, Megabytes("VmHWM") - start) : null;

    private static double Megabytes(string name)
    {
        string line = File.ReadLines(Status).First(line => line.StartsWith(name, StringComparison.Ordinal));
        return double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)
            * 1024 / 1e6;
    }
}
