using System.Buffers;
using ConvNet.Serialization;
using SkiaSharp;
using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>Reads image files as a network takes them: JPEG, PNG, WebP, BMP and GIF.</summary>
/// <remarks>
/// <para>The content decides the format, whatever the extension of the name. Of an animation the first frame is read.
/// The EXIF orientation is applied, an embedded colour profile is not. 16-bit values are reduced to 8 bits, CMYK is
/// converted to RGB, and transparent pixels are composited on white.</para>
/// <para>With one channel, colours become grey: Y = 0.299 R + 0.587 G + 0.114 B. With three, grey becomes R = G = B.
/// The image is scaled until it covers the requested size, with its aspect ratio kept, and the middle is taken: for a
/// square size, the shorter side is resized and the longer one cropped on both ends. Each pixel is a weighted mean of
/// the pixels that it covers (a triangle filter, as wide as the reduction), rounded to a whole number. A JPEG
/// file is decoded at a multiple of an eighth of its size, as small as it need not be enlarged, which takes a fraction
/// of the time.</para>
/// <para>The result depends on the file and the shape alone; it is the same on every machine.</para>
/// </remarks>
public static class ImageFile
{
    /// <summary>The maximum number of pixels of a file, 2^28, as an image of 16,384×16,384. A file that declares more
    /// is refused before it is decoded.</summary>
    public const long MaxPixels = 1L << 28;

    private const int MaxBytes = 1 << 30, BytesPerPixel = 4;

    // Larger images are decoded one at a time, so that threads do not multiply their memory.
    private const long LargePixels = 1L << 24;
    private static readonly Lock s_large = new();

    private static readonly string[] s_extensions = [".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".webp"];

    /// <summary>The ends of the names of images, for error messages.</summary>
    internal static string Extensions => string.Join(", ", s_extensions);

    /// <summary>Reads an image.</summary>
    /// <param name="path">The path of the file.</param>
    /// <param name="shape">The shape C, H, W of the result; C is 1 for grey or 3 for red, green and blue.</param>
    /// <returns>C×H×W values from 0 to 255.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="ArgumentException">The path is empty, or the shape does not have one or three
    /// channels.</exception>
    /// <exception cref="InvalidDataException">The file is not an image, is damaged, or has too many pixels.</exception>
    /// <exception cref="IOException">The file cannot be read, or is not a regular file.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read the file.</exception>
    public static byte[] Read(string path, Shape shape)
    {
        ArgumentNullException.ThrowIfNull(path);
        CheckShape(shape, nameof(shape));
        byte[] content = InputFile.Bytes(path, "file of an image", MaxBytes);
        return Decode(content, path, shape);
    }

    /// <summary>Encodes an image as a PNG file, without loss.</summary>
    /// <param name="pixels">C×H×W values from 0 to 255.</param>
    /// <param name="shape">The shape C, H, W; C is 1 for grey or 3 for red, green and blue.</param>
    /// <returns>The content of the file.</returns>
    /// <exception cref="ArgumentException">The shape does not have one or three channels, or the number of pixels does
    /// not match it.</exception>
    public static unsafe byte[] ToPng(ReadOnlySpan<byte> pixels, Shape shape)
    {
        CheckShape(shape, nameof(shape));
        if (pixels.Length != shape.Length)
            throw new ArgumentException(Invariant($"An image of {shape} has {shape.Length:N0} values, but ")
                + Invariant($"{pixels.Length:N0} were passed."), nameof(pixels));
        var rgba = new byte[checked(shape.Area * BytesPerPixel)];
        for (int i = 0; i < shape.Area; i++)
        {
            for (int c = 0; c < 3; c++)
                rgba[i * BytesPerPixel + c] = pixels[(shape.C == 1 ? 0 : c) * shape.Area + i];
            rgba[i * BytesPerPixel + 3] = byte.MaxValue;
        }
        fixed (byte* values = rgba)
        {
            var info = new SKImageInfo(shape.W, shape.H, SKColorType.Rgba8888, SKAlphaType.Opaque);
            using var image = SKImage.FromPixelCopy(info, (nint)values);
            using SKData png = image.Encode(SKEncodedImageFormat.Png, quality: 100);
            return png.ToArray();
        }
    }

    /// <summary>Loads the decoder's library, so that its absence is one exception.</summary>
    internal static void LoadDecoder() => _ = SKImageInfo.PlatformColorType;

    /// <summary>Whether a file is an image by its name.</summary>
    internal static bool HasImageName(string path)
        => s_extensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase);

    /// <summary>Throws unless images can have a shape.</summary>
    /// <exception cref="ArgumentException">The shape does not have one or three channels.</exception>
    internal static void CheckShape(Shape shape, string parameter)
    {
        if (shape.C is not (1 or 3))
            throw new ArgumentException($"Images cannot be read as {shape}: they have 1 channel (grey) or 3 (red, "
                + "green and blue).", parameter);
    }

    /// <summary>Decodes the content of a file.</summary>
    /// <inheritdoc cref="Read"/>
    internal static unsafe byte[] Decode(byte[] content, string path, Shape shape)
    {
        if (content.Length == 0)
            throw new InvalidDataException($"{path} is empty.");
        if (FormatOf(content) is not { } format)
            throw new InvalidDataException($"{path} is not an image: its content is neither JPEG, PNG, WebP, BMP nor "
                + "GIF.");
        fixed (byte* bytes = content)
        {
            using var data = SKData.Create((nint)bytes, content.Length);
            using var codec = SKCodec.Create(data);
            if (codec is null)
                throw Damaged(path, format, "its header cannot be read");
            (int width, int height) = (codec.Info.Width, codec.Info.Height);
            long pixels = (long)width * height;
            if (pixels > MaxPixels)
                throw new InvalidDataException($"{path} declares {width:N0}×{height:N0} pixels; the limit is "
                    + $"{MaxPixels:N0}.");
            SKSizeI size = SizeOf(codec, shape);
            if ((long)size.Width * size.Height <= LargePixels)
                return Decode(codec, size, path, format, shape);
            lock (s_large)
                return Decode(codec, size, path, format, shape);
        }
    }

    // A JPEG file is decoded at a multiple of an eighth of its size, the smallest that is not enlarged afterwards.
    private static SKSizeI SizeOf(SKCodec codec, Shape shape)
    {
        const int Parts = 8;
        SKSizeI full = codec.Info.Size;
        if (codec.EncodedFormat != SKEncodedImageFormat.Jpeg)
            return full;
        (int height, int width) = Orientation.Swaps(codec.EncodedOrigin) ? (shape.W, shape.H) : (shape.H, shape.W);
        for (int parts = 1; parts < Parts; parts++)
        {
            SKSizeI size = codec.GetScaledDimensions((float)parts / Parts);
            if (size.Width >= width && size.Height >= height)
                return size;
        }
        return full;
    }

    private static unsafe byte[] Decode(SKCodec codec, SKSizeI size, string path, string format, Shape shape)
    {
        // Without a colour space, the values are those of the file.
        var info = new SKImageInfo(size.Width, size.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        int length = info.Width * info.Height * BytesPerPixel;
        byte[] rgba = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            // What a frame leaves out is transparent.
            rgba.AsSpan(0, length).Clear();
            SKCodecResult result;
            fixed (byte* pixels = rgba)
                result = codec.GetPixels(info, (nint)pixels);
            if (result != SKCodecResult.Success)
                throw Damaged(path, format, result == SKCodecResult.IncompleteInput ? "its data ends early"
                    : $"its data cannot be decoded ({result})");
            SKEncodedOrigin origin = codec.EncodedOrigin;
            Shape stored = Orientation.Swaps(origin) ? new Shape(shape.C, shape.W, shape.H) : shape;
            byte[] resized = new Resampling(info.Width, info.Height, stored).Apply(rgba);
            return Orientation.Upright(resized, stored, origin);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rgba);
        }
    }

    private static string? FormatOf(ReadOnlySpan<byte> content)
        => content.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) ? "JPEG"
        : content.StartsWith((ReadOnlySpan<byte>)[0x89, 0x50, 0x4E, 0x47]) ? "PNG"
        : content.StartsWith("RIFF"u8) && content.Length >= 12 && content[8..].StartsWith("WEBP"u8) ? "WebP"
        : content.StartsWith("BM"u8) ? "BMP"
        : content.StartsWith("GIF8"u8) ? "GIF"
        : null;

    private static InvalidDataException Damaged(string path, string format, string what)
        => new($"{path} is damaged or incomplete: it starts as {format}, but {what}.");
}
