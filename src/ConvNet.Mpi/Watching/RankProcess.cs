using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace ConvNet.Mpi.Watching;

/// <summary>The process of a rank.</summary>
/// <param name="Rank">The rank.</param>
/// <param name="Host">The name of its machine.</param>
/// <param name="Id">The id of the process.</param>
/// <param name="Started">When it was started, in the unit of /proc; null where there is none.</param>
/// <param name="Processors">A checksum of the list of the processors that it may run on, which may be longer than a
/// message; null if unknown.</param>
internal sealed record RankProcess(int Rank, string Host, int Id, string? Started, string? Processors)
{
    private const string ProcessorsField = "Cpus_allowed_list:";
    private const int ChecksumBytes = 8;

    /// <summary>The process of this rank.</summary>
    public static RankProcess Own(int rank)
    {
        int id = Environment.ProcessId;
        string? allowed = File.Exists("/proc/self/status") ? File.ReadLines("/proc/self/status")
            .FirstOrDefault(line => line.StartsWith(ProcessorsField, StringComparison.Ordinal)) : null;
        string? processors = allowed is null ? null
            : Convert.ToHexString(SHA256.HashData(Encoding.ASCII.GetBytes(allowed)), 0, ChecksumBytes);
        return new(rank, $"{Environment.MachineName}{BootId}", id, StatOf(id)?.Started, processors);
    }

    /// <summary>Reads what <see cref="ToText"/> has written.</summary>
    public static RankProcess Parse(string text)
        => JsonSerializer.Deserialize(text, RankProcessJson.Default.RankProcess)!;

    /// <summary>The name of the machine, for people.</summary>
    public string Machine => Host.Split('/')[0];

    /// <summary>Whether the process runs on the machine of another one, and sees its processes.</summary>
    public bool IsBeside(RankProcess other) => Host == other.Host;

    /// <summary>Whether the process has ended. It must be on this machine.</summary>
    public bool HasEnded()
    {
        if (Started is null)
            return false;
        return StatOf(Id) is not { } stat || stat.Started != Started || stat.State is "Z" or "X";
    }

    /// <summary>Writes the process as text.</summary>
    public string ToText() => JsonSerializer.Serialize(this, RankProcessJson.Default.RankProcess);

    /// <inheritdoc/>
    public override string ToString()
        => string.Create(CultureInfo.InvariantCulture, $"rank {Rank} (process {Id} on {Machine})");

    // Containers of one machine have processes of their own.
    private static string BootId
    {
        get
        {
            const string Boot = "/proc/sys/kernel/random/boot_id", Namespace = "/proc/self/ns/pid";
            string boot = File.Exists(Boot) ? File.ReadAllText(Boot).Trim() : "";
            return $"/{boot}/{new FileInfo(Namespace).LinkTarget}";
        }
    }

    private static (string State, string Started)? StatOf(int id)
    {
        const int StartedField = 19;
        try
        {
            string stat = File.ReadAllText($"/proc/{id}/stat");
            // The name of the program, in parentheses, may contain spaces.
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (fields[0], fields[StartedField]);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
