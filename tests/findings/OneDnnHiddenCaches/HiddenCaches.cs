using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Findings;

/// <summary>Simulates a processor that hides its caches, for oneDNN, on a machine whose processor reports
/// them.</summary>
/// <remarks>
/// oneDNN reads the cache sizes once, on first use. This class searches the writable memory of libtorch for them and
/// sets them to one byte, as oneDNN 3.7.1 does for a CPUID leaf of zeros. Linux on x64 only. Call it before the
/// convolutions under test, because oneDNN caches compiled kernels.
/// </remarks>
internal static class HiddenCaches
{
    private const int AmdLeaf = unchecked((int)0x8000001D), IntelLeaf = 4;

    /// <summary>Whether this processor hides its caches.</summary>
    public static bool AreHere { get; } = X86Base.IsSupported && IsAmd && X86Base.CpuId(AmdLeaf, 0) is (0, 0, 0, 0);

    private static bool IsAmd => X86Base.CpuId(0, 0).Ebx == 0x68747541; // Auth

    /// <summary>Hides the caches from oneDNN, which must have been used before.</summary>
    /// <returns>Whether they are hidden now; false if oneDNN's copy was not found.</returns>
    public static bool Hide()
    {
        if (AreHere)
            return true;
        if (!OperatingSystem.IsLinux() || !X86Base.IsSupported)
            return false;
        // Subleaf 0 is the level 1 data cache, 1 the instruction cache; then levels 2 and 3.
        uint[] sizes = [SizeOf(0), SizeOf(2), SizeOf(3)], hidden = [1, 1, 1];
        bool isFound = false;
        using var memory = new FileStream("/proc/self/mem", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite,
            bufferSize: 0);
        foreach ((long start, long end) in WritableMemoryOfTorch())
        {
            var bytes = new byte[end - start];
            memory.Position = start;
            memory.ReadExactly(bytes);
            Span<uint> words = MemoryMarshal.Cast<byte, uint>(bytes.AsSpan());
            for (int i = 0; i + sizes.Length <= words.Length; i++)
            {
                if (!words.Slice(i, sizes.Length).SequenceEqual(sizes))
                    continue;
                memory.Position = start + i * sizeof(uint);
                memory.Write(MemoryMarshal.AsBytes(hidden.AsSpan()));
                isFound = true;
            }
        }
        return isFound;
    }

    // EBX has line size, partitions and ways, ECX the sets, each minus one.
    private static uint SizeOf(int subleaf)
    {
        (_, int b, int sets, _) = X86Base.CpuId(IsAmd ? AmdLeaf : IntelLeaf, subleaf);
        uint ways = ((uint)b >> 22) + 1, partitions = (((uint)b >> 12) & 0x3FF) + 1, line = ((uint)b & 0xFFF) + 1;
        return ways * partitions * line * ((uint)sets + 1);
    }

    // The library's data segment, and the unnamed mapping after it: its zero-initialised data.
    private static List<(long Start, long End)> WritableMemoryOfTorch()
    {
        var ranges = new List<(long, long)>();
        bool isBehind = false;
        foreach (string line in File.ReadLines("/proc/self/maps"))
        {
            string[] columns = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            bool isTorch = line.EndsWith("libtorch_cpu.so", StringComparison.Ordinal);
            isBehind = isTorch || (isBehind && columns.Length == 5);
            if (!isBehind || !columns[1].StartsWith("rw", StringComparison.Ordinal))
                continue;
            string[] range = columns[0].Split('-');
            ranges.Add((long.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture),
                long.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture)));
        }
        return ranges;
    }
}
