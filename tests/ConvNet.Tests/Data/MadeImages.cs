using System.Buffers.Binary;
using System.IO.Compression;
using SkiaSharp;

namespace ConvNet.Tests.Data;

/// <summary>The bytes of image files, made by an encoder or by hand.</summary>
internal static class MadeImages
{
    /// <summary>A picture without symmetry, of colours that a block of JPEG keeps.</summary>
    public static SKColor Ramp(int x, int y) => new((byte)(8 * x), (byte)(6 * y), (byte)(3 * (x + y)));

    /// <summary>Encodes a picture: PNG and WebP without loss, JPEG as good as it can.</summary>
    public static byte[] Encode(SKEncodedImageFormat format, int width, int height, Func<int, int, SKColor> colour)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul));
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
                bitmap.SetPixel(x, y, colour(x, y));
        }
        using SKPixmap pixels = bitmap.PeekPixels();
        using SKData? data = format == SKEncodedImageFormat.Webp
            ? pixels.Encode(new SKWebpEncoderOptions(SKWebpEncoderCompression.Lossless, 100))
            : pixels.Encode(format, 100);
        return data!.ToArray();
    }

    /// <summary>A JPEG file with an EXIF orientation.</summary>
    public static byte[] WithOrientation(byte[] jpeg, byte orientation)
    {
        byte[] exif = [.. "Exif\0\0II*\0"u8, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0,
            0];
        return [.. jpeg[..2], 0xFF, 0xE1, 0, (byte)(exif.Length + 2), .. exif, .. jpeg[2..]];
    }

    /// <summary>A PNG file.</summary>
    /// <param name="width">The width that the header states.</param>
    /// <param name="height">The height that the header states.</param>
    /// <param name="bits">The bits of a value.</param>
    /// <param name="colourType">0: grey, 2: RGB, 3: palette, 4: grey and opacity, 6: RGB and opacity.</param>
    /// <param name="rows">The rows, each after a byte 0, its filter.</param>
    /// <param name="chunks">Chunks between the header and the rows.</param>
    public static byte[] Png(int width, int height, byte bits, byte colourType, byte[] rows,
        params (string Type, byte[] Content)[] chunks)
    {
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9]) = (bits, colourType);
        using var zipped = new MemoryStream();
        using (var zip = new ZLibStream(zipped, CompressionLevel.Optimal, leaveOpen: true))
            zip.Write(rows);
        return [0x89, .. "PNG\r\n\x1A\n"u8, .. Chunk("IHDR", header),
            .. chunks.SelectMany(chunk => Chunk(chunk.Type, chunk.Content)), .. Chunk("IDAT", zipped.ToArray()),
            .. Chunk("IEND", [])];
    }

    /// <summary>A BMP file of 24 bits.</summary>
    public static byte[] Bmp(int width, int height, Func<int, int, SKColor> colour)
    {
        int stride = (3 * width + 3) / 4 * 4;
        var bytes = new byte[54 + stride * height];
        "BM"u8.CopyTo(bytes);
        foreach ((int at, int value) in ((int, int)[])[(2, bytes.Length), (10, 54), (14, 40), (18, width), (22, height),
            (26, 1 | (24 << 16)), (34, stride * height)])
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(at), value);
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                SKColor pixel = colour(x, height - 1 - y);
                new[] { pixel.Blue, pixel.Green, pixel.Red }.CopyTo(bytes, 54 + y * stride + 3 * x);
            }
        }
        return bytes;
    }

    /// <summary>A JPEG file of 8×8 pixels of one colour in CMYK, as Adobe's programs write it: 255 is no ink.</summary>
    public static byte[] CmykJpeg(params byte[] inks)
    {
        var bits = new List<int>();
        foreach (byte ink in inks)
        {
            // The mean of a block in units of the table, 8: its difference to the block before, 0; then no more.
            int mean = ink - 128, length = mean == 0 ? 0 : (int)Math.Log2(Math.Abs(mean)) + 1;
            Add(length, 4);
            Add(mean < 0 ? mean + (1 << length) - 1 : mean, length);
            Add(0, 1);
        }
        while (bits.Count % 8 > 0)
            bits.Add(1);
        byte[] data = [.. bits.Chunk(8).Select(eight => (byte)eight.Aggregate((sum, bit) => 2 * sum + bit))
            .SelectMany(value => value == 0xFF ? (byte[])[0xFF, 0] : [value])];
        return [0xFF, 0xD8,
            .. Segment(0xEE, [.. "Adobe"u8, 0, 100, 0, 0, 0, 0, 0]),
            .. Segment(0xDB, [0, .. Enumerable.Repeat((byte)8, 64)]),
            .. Segment(0xC0, [8, 0, 8, 0, 8, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0]),
            .. Segment(0xC4, [0x00, 0, 0, 0, 12, .. new byte[12], .. Enumerable.Range(0, 12).Select(i => (byte)i)]),
            .. Segment(0xC4, [0x10, 1, .. new byte[15], 0]),
            .. Segment(0xDA, [4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0]), .. data, 0xFF, 0xD9];

        void Add(int value, int count)
        {
            for (int i = count - 1; i >= 0; i--)
                bits.Add(value >> i & 1);
        }
    }

    /// <summary>A GIF file of two frames of one pixel, red and blue.</summary>
    public static byte[] AnimatedGif() => [.. "GIF89a"u8, 1, 0, 1, 0, 0x80, 0, 0, 255, 0, 0, 0, 0, 255,
        .. Frame(0x44), .. Frame(0x4C), 0x3B];

    private static byte[] Frame(byte codes)
        => [0x21, 0xF9, 4, 0, 10, 0, 0, 0, 0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, codes, 1, 0];

    private static byte[] Segment(byte marker, byte[] content)
        => [0xFF, marker, 0, (byte)(content.Length + 2), .. content];

    private static byte[] Chunk(string type, byte[] content)
    {
        byte[] named = [.. type.Select(letter => (byte)letter), .. content];
        var bytes = new byte[named.Length + 8];
        BinaryPrimitives.WriteInt32BigEndian(bytes, content.Length);
        named.CopyTo(bytes, 4);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(bytes.Length - 4), Crc(named));
        return bytes;
    }

    private static uint Crc(byte[] bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
        }
        return ~crc;
    }
}
