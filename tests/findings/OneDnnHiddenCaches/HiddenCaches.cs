using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Findings;

/// <summary>Puts oneDNN into the state that it is in where the processor hides its caches, on a machine whose processor
/// tells them.</summary>
/// <remarks>
/// oneDNN reads the caches once, into an object of its own, when it is first used. Their sizes are looked for in the
/// writable memory of libtorch and set to one byte, which is what oneDNN 3.7.1 makes of a CPUID leaf of zeros. Linux on
/// x64 only. Call it before the convolutions that are to be wrong, for oneDNN keeps what it has compiled.
/// </remarks>
internal static class HiddenCaches
{
    private const int AmdLeaf = unchecked((int)0x8000001D), IntelLeaf = 4;

    /// <summary>Whether the processor hides its caches by itself.</summary>
    public static bool AreHere { get; } = X86Base.IsSupported && IsAmd && X86Base.CpuId(AmdLeaf, 0) is (0, 0, 0, 0);

    private static bool IsAmd => X86Base.CpuId(0, 0).Ebx == 0x68747541; // Auth

    /// <summary>Hides them. oneDNN must have been used already.</summary>
    /// <returns>Whether they are hidden now; false where oneDNN's copy was not found.</returns>
    public static bool Hide()
    {
        if (AreHere)
            return true;
        if (!OperatingSystem.IsLinux() || !X86Base.IsSupported)
            return false;
        // Level 1 is in subleaf 0, behind it the instructions' cache, then levels 2 and 3.
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

    // Line size, partitions and ways are in EBX, sets in ECX, each less one.
    private static uint SizeOf(int subleaf)
    {
        (_, int b, int sets, _) = X86Base.CpuId(IsAmd ? AmdLeaf : IntelLeaf, subleaf);
        uint ways = ((uint)b >> 22) + 1, partitions = (((uint)b >> 12) & 0x3FF) + 1, line = ((uint)b & 0xFFF) + 1;
        return ways * partitions * line * ((uint)sets + 1);
    }

    // The library's own data, and what lies behind it without a name: its zero-initialised part.
    private static List<(long Start, long End)> WritableMemoryOfTorch()
    {
        var parts = new List<(long, long)>();
        bool isBehind = false;
        foreach (string line in File.ReadLines("/proc/self/maps"))
        {
            string[] columns = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            bool isTorch = line.EndsWith("libtorch_cpu.so", StringComparison.Ordinal);
            isBehind = isTorch || (isBehind && columns.Length == 5);
            if (!isBehind || !columns[1].StartsWith("rw", StringComparison.Ordinal))
                continue;
            string[] range = columns[0].Split('-');
            parts.Add((long.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture),
                long.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture)));
        }
        return parts;
    }
}
