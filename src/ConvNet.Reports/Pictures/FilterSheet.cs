namespace ConvNet.Reports.Pictures;

/// <summary>The filters of a convolution that reads red, green and blue.</summary>
internal static class FilterSheet
{
    private const float Grey = 127.5f;
    private const int Gap = 4;

    /// <summary>Draws each filter in the colours that it looks for. Grey is 0.</summary>
    /// <param name="values">The values, K×3×H×W.</param>
    /// <param name="k">The number of filters.</param>
    /// <param name="h">The rows of a filter.</param>
    /// <param name="w">The columns of a filter.</param>
    public static Raster Colours(ReadOnlySpan<float> values, int k, int h, int w)
    {
        float most = 0;
        foreach (float value in values)
            most = Math.Max(most, Math.Abs(value));
        int scale = Math.Clamp(48 / Math.Max(h, w), 1, 12), tall = h * scale, wide = w * scale;
        var grid = new SheetGrid(k, tall, wide, Gap);
        Raster sheet = grid.Sheet(new Colour(0, 0, 0));
        for (int filter = 0; filter < k; filter++)
        {
            (int top, int left) = grid.PlaceOf(filter);
            for (int y = 0; y < tall; y++)
            {
                for (int x = 0; x < wide; x++)
                {
                    int at = filter * 3 * h * w + y / scale * w + x / scale;
                    sheet[top + y, left + x] = new Colour(Byte(values[at], most), Byte(values[at + h * w], most),
                        Byte(values[at + 2 * h * w], most));
                }
            }
        }
        return sheet;
    }

    private static byte Byte(float value, float most) => most > 0
        ? (byte)Math.Clamp(MathF.Round(Grey + Grey * value / most), 0, byte.MaxValue) : (byte)Grey;
}
