using ConvNet.Data;

namespace ConvNet.Reports.Pictures;

/// <summary>A picture in red, green and blue.</summary>
/// <param name="width">The width in pixels.</param>
/// <param name="height">The height in pixels.</param>
internal sealed class Raster(int width, int height)
{
    private readonly byte[] _pixels = new byte[3 * width * height];

    /// <summary>The width in pixels.</summary>
    public int Width => width;

    /// <summary>The height in pixels.</summary>
    public int Height => height;

    /// <summary>Creates a picture of one colour.</summary>
    public static Raster Of(int width, int height, Colour colour)
    {
        var raster = new Raster(width, height);
        raster.Fill(0, 0, height, width, colour);
        return raster;
    }

    /// <summary>Gets or sets a pixel.</summary>
    public Colour this[int y, int x]
    {
        get => new(_pixels[y * width + x], _pixels[(height + y) * width + x], _pixels[(2 * height + y) * width + x]);
        set => (_pixels[y * width + x], _pixels[(height + y) * width + x], _pixels[(2 * height + y) * width + x])
            = (value.Red, value.Green, value.Blue);
    }

    /// <summary>Fills a rectangle; what lies outside the picture is left out.</summary>
    public void Fill(int top, int left, int bottom, int right, Colour colour)
    {
        for (int y = Math.Max(0, top); y < Math.Min(height, bottom); y++)
        {
            for (int x = Math.Max(0, left); x < Math.Min(width, right); x++)
                this[y, x] = colour;
        }
    }

    /// <summary>Draws a frame just inside a rectangle.</summary>
    public void Frame(int top, int left, int bottom, int right, int thickness, Colour colour)
    {
        Fill(top, left, top + thickness, right, colour);
        Fill(bottom - thickness, left, bottom, right, colour);
        Fill(top, left, bottom, left + thickness, colour);
        Fill(top, right - thickness, bottom, right, colour);
    }

    /// <summary>Returns the picture as a PNG file.</summary>
    public byte[] ToPng() => ImageFile.ToPng(_pixels, new Shape(3, height, width));
}

/// <summary>A colour.</summary>
internal readonly record struct Colour(byte Red, byte Green, byte Blue);
