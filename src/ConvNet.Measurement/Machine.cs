using System.Globalization;
using System.Runtime.InteropServices;

namespace ConvNet.Measurement;

/// <summary>The machine that measures, as far as the system tells.</summary>
public static class Machine
{
    private const string CpuInfo = "/proc/cpuinfo", Caches = "/sys/devices/system/cpu/cpu0/cache";

    /// <summary>The processor's name, with family and model where Linux knows them.</summary>
    public static string Processor
    {
        get
        {
            if (!File.Exists(CpuInfo))
                return RuntimeInformation.ProcessArchitecture.ToString();
            var facts = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (string line in File.ReadLines(CpuInfo).TakeWhile(line => line.Length > 0))
            {
                string[] parts = line.Split(':', 2, StringSplitOptions.TrimEntries);
                facts[parts[0]] = parts[^1];
            }
            string name = facts.GetValueOrDefault("model name", RuntimeInformation.ProcessArchitecture.ToString());
            return facts.TryGetValue("cpu family", out string? family) && facts.TryGetValue("model", out string? model)
                ? $"{name} (family {family}, model {model})"
                : name;
        }
    }

    /// <summary>Bytes of the largest cache that a core sees; 0 where the system does not tell.</summary>
    public static long LastLevelCacheBytes => !Directory.Exists(Caches) ? 0 : Directory.EnumerateDirectories(Caches, "index*")
        .Select(folder => Path.Combine(folder, "size")).Where(File.Exists).Select(file => Size(File.ReadAllText(file).Trim()))
        .DefaultIfEmpty().Max();

    private static long Size(string text)
    {
        long unit = text[^1] switch { 'K' => 1 << 10, 'M' => 1 << 20, 'G' => 1 << 30, _ => 1 };
        return long.Parse(text.TrimEnd('K', 'M', 'G'), CultureInfo.InvariantCulture) * unit;
    }
}
