using System.Globalization;
using System.Runtime.InteropServices;

namespace ConvNet.Measurement;

/// <summary>Properties of this machine, as far as the operating system reports them.</summary>
public static class Machine
{
    private const string CpuInfo = "/proc/cpuinfo", SystemTimes = "/proc/stat",
        Caches = "/sys/devices/system/cpu/cpu0/cache";

    /// <summary>The name of the processor, with family and model on Linux.</summary>
    public static string Processor
    {
        get
        {
            if (!File.Exists(CpuInfo))
                return RuntimeInformation.ProcessArchitecture.ToString();
            var facts = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (string line in File.ReadLines(CpuInfo).TakeWhile(line => line.Length > 0))
            {
                string[] fields = line.Split(':', 2, StringSplitOptions.TrimEntries);
                facts[fields[0]] = fields[^1];
            }
            string name = facts.GetValueOrDefault("model name", RuntimeInformation.ProcessArchitecture.ToString());
            return facts.TryGetValue("cpu family", out string? family) && facts.TryGetValue("model", out string? model)
                ? $"{name} (family {family}, model {model})"
                : name;
        }
    }

    /// <summary>The size of the last-level cache in bytes; 0 if the system does not report it.</summary>
    public static long LastLevelCacheBytes => !Directory.Exists(Caches) ? 0
        : Directory.EnumerateDirectories(Caches, "index*")
        .Select(folder => Path.Combine(folder, "size")).Where(File.Exists)
            .Select(file => Size(File.ReadAllText(file).Trim()))
        .DefaultIfEmpty().Max();

    /// <summary>The total busy time of all processors since the system started, including time used by other virtual
    /// machines. Null on systems other than Linux.</summary>
    public static TimeSpan? BusyTime
    {
        get
        {
            if (!File.Exists(SystemTimes))
                return null;
            // cpu user nice system idle iowait irq softirq steal, in hundredths of a second
            long[] ticks = [.. File.ReadLines(SystemTimes).First().Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Skip(1).Select(word => long.Parse(word, CultureInfo.InvariantCulture))];
            return TimeSpan.FromMilliseconds(10 * (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6] + ticks[7]));
        }
    }

    private static long Size(string text)
    {
        long unit = text[^1] switch { 'K' => 1 << 10, 'M' => 1 << 20, 'G' => 1 << 30, _ => 1 };
        return long.Parse(text.TrimEnd('K', 'M', 'G'), CultureInfo.InvariantCulture) * unit;
    }
}
