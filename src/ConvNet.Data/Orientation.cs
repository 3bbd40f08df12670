using SkiaSharp;

namespace ConvNet.Data;

/// <summary>Turns an image as its EXIF orientation says.</summary>
internal static class Orientation
{
    /// <summary>Whether rows of the stored image are columns of the upright one.</summary>
    public static bool Swaps(SKEncodedOrigin origin) => origin is SKEncodedOrigin.LeftTop or SKEncodedOrigin.RightTop
        or SKEncodedOrigin.RightBottom or SKEncodedOrigin.LeftBottom;

    /// <summary>Returns the upright image.</summary>
    /// <param name="pixels">The stored image, C×H×W.</param>
    /// <param name="shape">The shape of the stored image.</param>
    /// <param name="origin">The corner of the upright image where the first stored row and column are.</param>
    public static byte[] Upright(byte[] pixels, Shape shape, SKEncodedOrigin origin)
    {
        if (origin == SKEncodedOrigin.TopLeft)
            return pixels;
        (int rows, int columns) = Swaps(origin) ? (shape.W, shape.H) : (shape.H, shape.W);
        var upright = new byte[pixels.Length];
        int i = 0;
        for (int c = 0; c < shape.C; c++)
        {
            for (int y = 0; y < rows; y++)
            {
                for (int x = 0; x < columns; x++)
                {
                    int right = shape.W - 1, bottom = shape.H - 1;
                    (int row, int column) = origin switch
                    {
                        SKEncodedOrigin.TopRight => (y, right - x),
                        SKEncodedOrigin.BottomRight => (bottom - y, right - x),
                        SKEncodedOrigin.BottomLeft => (bottom - y, x),
                        SKEncodedOrigin.LeftTop => (x, y),
                        SKEncodedOrigin.RightTop => (bottom - x, y),
                        SKEncodedOrigin.RightBottom => (bottom - x, right - y),
                        SKEncodedOrigin.LeftBottom => (x, right - y),
                        _ => (y, x),
                    };
                    upright[i++] = pixels[c * shape.Area + row * shape.W + column];
                }
            }
        }
        return upright;
    }
}
