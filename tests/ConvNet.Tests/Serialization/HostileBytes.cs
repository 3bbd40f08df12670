using System.Text;

namespace ConvNet.Tests.Serialization;

/// <summary>Changes inputs as damage and hostile people do.</summary>
internal static class HostileBytes
{
    /// <summary>Returns a changed input.</summary>
    // One to four changes: a byte set, bits flipped, a part cut out, doubled, moved or taken from a list of hostile
    // ones, the end cut off.
    public static byte[] Change(byte[] good, Random random)
    {
        List<byte> bytes = [.. good];
        for (int changes = random.Next(1, 5); changes > 0; changes--)
        {
            int at = random.Next(bytes.Count + 1), count = random.Next(Math.Min(40, bytes.Count - at) + 1);
            switch (random.Next(8))
            {
                case 0 when at < bytes.Count:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.RemoveRange(at, count);
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, count));
                    break;
                case 4:
                    byte[] moved = [.. bytes.GetRange(at, count)];
                    bytes.RemoveRange(at, count);
                    bytes.InsertRange(random.Next(bytes.Count + 1), moved);
                    break;
                case 5:
                    bytes.InsertRange(at, Hostile[random.Next(Hostile.Length)]);
                    break;
                case 6 when at < bytes.Count && bytes[at] is >= (byte)'0' and <= (byte)'9':
                    bytes.RemoveAt(at);
                    bytes.InsertRange(at, Hostile[random.Next(Hostile.Length)]);
                    break;
                case 7 when random.Next(4) == 0:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
            }
        }
        return [.. bytes];
    }

    private static readonly byte[][] Hostile =
    [
        .. ((string[])["\\ud800", "\\u0000", "\"", "{", "}", "[", "]", "[[", ":", ",", "null", "true", "-1", "0",
            "2147483647", "2147483648", "4294967296",
            "9223372036854775807", "99999999999999999999", "1e308", "1e999", "-0", "0.5", "65536", "46341", "\"\"",
                "{}", "[]", "\n", "_"]).Select(Encoding.UTF8.GetBytes),
        [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0x00], [0x1F, 0x8B, 0x08], [0xEF, 0xBB, 0xBF],
            [0xFF, 0xFF, 0xFF, 0xFF], [0, 0, 0, 0],
    ];
}
