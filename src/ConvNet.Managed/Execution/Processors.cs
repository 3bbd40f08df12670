using System.Globalization;

namespace ConvNet;

/// <summary>The processors of the machine and the share of them available to this process.</summary>
/// <remarks><see cref="Environment.ProcessorCount"/> is the available number, with the quota rounded up.</remarks>
internal static class Processors
{
    private const string OnlineFile = "/sys/devices/system/cpu/online", Groups = "/proc/self/cgroup",
        Mounts = "/sys/fs/cgroup";

    /// <summary>The number of processors of the machine.</summary>
    public static int Online
        => File.Exists(OnlineFile) ? CountOf(File.ReadAllText(OnlineFile)) : Environment.ProcessorCount;

    /// <summary>The processor time that the control group allows this process, in processors; null if there is no limit
    /// or no control group.</summary>
    public static double? Quota => File.Exists(Groups) ? QuotaOf(File.ReadLines(Groups), Mounts) : null;

    /// <summary>Counts the processors in a Linux list such as <c>0-3,6</c>.</summary>
    internal static int CountOf(string list) => list.Trim().Split(',').Sum(range => range.Split('-') switch
    {
        [var first, var last] => Number(last) - Number(first) + 1,
        _ => 1,
    });

    /// <summary>Gets the smallest quota among a control group and its ancestors.</summary>
    /// <param name="groups">The lines of /proc/self/cgroup.</param>
    /// <param name="mounts">The mount point of the control groups.</param>
    internal static double? QuotaOf(IEnumerable<string> groups, string mounts)
    {
        var quotas = new List<double>();
        foreach (string[] group in groups.Select(line => line.Split(':', 3)).Where(fields => fields.Length == 3))
        {
            bool isUnified = group[1].Length == 0;
            if (!isUnified && !group[1].Split(',').Contains("cpu"))
                continue;
            string root = isUnified ? mounts : Path.Combine(mounts, "cpu");
            // In a container the path may be that of the host; the process's own group is then at the root.
            string? path = group[2].Trim('/');
            while (path is not null)
            {
                if (QuotaIn(Path.Combine(root, path), isUnified) is { } quota)
                    quotas.Add(quota);
                path = path.Length == 0 ? null : Path.GetDirectoryName(path) ?? "";
            }
        }
        return quotas.Count == 0 ? null : quotas.Min();
    }

    private static double? QuotaIn(string folder, bool isUnified)
    {
        string file = Path.Combine(folder, isUnified ? "cpu.max" : "cpu.cfs_quota_us"),
            periodFile = Path.Combine(folder, "cpu.cfs_period_us");
        if (!File.Exists(file) || (!isUnified && !File.Exists(periodFile)))
            return null;
        string[] words = isUnified
            ? File.ReadAllText(file).Trim().Split(' ')
            : [File.ReadAllText(file).Trim(), File.ReadAllText(periodFile).Trim()];
        return words is [var quota, var period] && quota is not ("max" or "-1")
            ? (double)Number(quota) / Number(period) : null;
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
