using ConvNet.Interpretation;

namespace ConvNet.Reports.Pictures;

/// <summary>An image enlarged for a page, alone or with something drawn on it.</summary>
internal static class ImagePicture
{
    private const int Side = 196;
    private const float Cover = 0.65f;

    private static readonly Colour s_frame = new(230, 60, 0), s_outline = new(255, 255, 255);

    /// <summary>Draws an image.</summary>
    /// <param name="pixels">The values, C×H×W, from 0 to 1. One channel is grey; of several, the first three are red,
    /// green and blue.</param>
    /// <param name="shape">The shape C, H, W.</param>
    public static Raster Of(ReadOnlySpan<float> pixels, Shape shape)
    {
        int scale = Scale(shape);
        var raster = new Raster(shape.W * scale, shape.H * scale);
        for (int y = 0; y < raster.Height; y++)
        {
            for (int x = 0; x < raster.Width; x++)
                raster[y, x] = ColourOf(pixels, shape, y / scale * shape.W + x / scale);
        }
        return raster;
    }

    /// <summary>Draws an image in its own size or, if it is larger, reduced to single pixels out of squares of
    /// them.</summary>
    /// <param name="pixels">The values, C×H×W, from 0 to 1, as for
    /// <see cref="Of(ReadOnlySpan{float}, Shape)"/>.</param>
    /// <param name="shape">The shape C, H, W.</param>
    /// <param name="largest">The number of rows or columns of the picture at most.</param>
    public static Raster Small(ReadOnlySpan<float> pixels, Shape shape, int largest)
    {
        int reduction = (Math.Max(shape.H, shape.W) - 1) / largest + 1;
        var raster = new Raster((shape.W - 1) / reduction + 1, (shape.H - 1) / reduction + 1);
        for (int y = 0; y < raster.Height; y++)
        {
            for (int x = 0; x < raster.Width; x++)
                raster[y, x] = ColourOf(pixels, shape, y * reduction * shape.W + x * reduction);
        }
        return raster;
    }

    /// <summary>Draws an image with the frame of a receptive field.</summary>
    public static Raster With(ReceptiveField field, ReadOnlySpan<float> pixels, Shape shape)
    {
        Raster raster = Of(pixels, shape);
        int scale = Scale(shape);
        (int top, int left, int bottom, int right)
            = (field.Top * scale, field.Left * scale, field.Bottom * scale, field.Right * scale);
        raster.Frame(top, left, bottom, right, 4, s_outline);
        raster.Frame(top, left, bottom, right, 2, s_frame);
        return raster;
    }

    /// <summary>Draws a grey image under the colours of a heat map: red where covering it makes the probability
    /// fall.</summary>
    public static Raster With(Occlusion heat, ReadOnlySpan<float> pixels, Shape shape)
    {
        Raster raster = Of(pixels, shape);
        int scale = Scale(shape);
        var colours = ColourScale.Diverging(heat.Drops);
        for (int y = 0; y < raster.Height; y++)
        {
            for (int x = 0; x < raster.Width; x++)
            {
                Colour own = raster[y, x], over = colours[heat.Drops[y / scale * shape.W + x / scale]];
                byte grey = (byte)((299 * own.Red + 587 * own.Green + 114 * own.Blue) / 1000);
                raster[y, x] = new Colour(Mixed(grey, over.Red), Mixed(grey, over.Green), Mixed(grey, over.Blue));
            }
        }
        return raster;
    }

    private static Colour ColourOf(ReadOnlySpan<float> pixels, Shape shape, int at)
    {
        int green = shape.C >= 3 ? shape.Area : 0, blue = 2 * green;
        return new Colour(Byte(pixels[at]), Byte(pixels[green + at]), Byte(pixels[blue + at]));
    }

    private static int Scale(Shape shape) => Math.Max(1, Side / Math.Max(shape.H, shape.W));

    private static byte Byte(float value) => (byte)Math.Clamp(MathF.Round(value * byte.MaxValue), 0, byte.MaxValue);

    private static byte Mixed(byte under, byte over) => (byte)((1 - Cover) * under + Cover * over);
}
