namespace ConvNet.Reports.Pictures;

/// <summary>Many small maps on one sheet, row by row, with a gap between them.</summary>
internal static class MapSheet
{
    /// <summary>The width of a sheet in pixels, the number of maps that it shows, and the rows or columns of a map at
    /// most.</summary>
    public const int MostWide = 848, MostMaps = 2048, LargestMap = 112;

    private const int Gap = 2, Readable = 40, MostScale = 12;

    private static readonly Colour s_gap = new(128, 128, 128);

    /// <summary>Draws maps.</summary>
    /// <param name="values">The values, maps×H×W.</param>
    /// <param name="maps">The number of maps.</param>
    /// <param name="h">The rows of a map.</param>
    /// <param name="w">The columns of a map.</param>
    /// <param name="scale">The colours.</param>
    /// <param name="columns">The number of maps in a row, if there is room for them; 1 for as many as there is room
    /// for.</param>
    /// <param name="largest">The rows or columns of a map at most; larger maps are reduced.</param>
    public static Raster Of(ReadOnlySpan<float> values, int maps, int h, int w, ColourScale scale, int columns = 1,
        int largest = LargestMap)
    {
        int reduction = (Math.Max(h, w) - 1) / largest + 1, shown = Math.Min(maps, MostMaps);
        Cell cell = new(h, w, reduction, Math.Clamp(Readable / Math.Max(h, w), 1, MostScale));
        var grid = new SheetGrid(shown, cell.Tall, cell.Wide, Gap, columns);
        Raster sheet = grid.Sheet(s_gap);
        for (int map = 0; map < shown; map++)
            cell.Draw(values.Slice(map * h * w, h * w), scale, sheet, grid.PlaceOf(map));
        return sheet;
    }

    /// <summary>Draws a matrix, as wide as a sheet at most.</summary>
    public static Raster OfMatrix(ReadOnlySpan<float> values, int rows, int columns, ColourScale scale)
    {
        Cell cell = new(rows, columns, (Math.Max(rows, columns) - 1) / MostWide + 1,
            Math.Clamp(MostWide / 2 / Math.Max(rows, columns), 1, MostScale));
        var sheet = new Raster(cell.Wide, cell.Tall);
        cell.Draw(values, scale, sheet, (0, 0));
        return sheet;
    }

    /// <summary>The size of a map on a sheet. Small maps are enlarged until their pixels can be told apart, large ones
    /// reduced to means.</summary>
    private readonly record struct Cell(int H, int W, int Reduction, int Enlargement)
    {
        public int Tall => (H * Enlargement - 1) / Reduction + 1;

        public int Wide => (W * Enlargement - 1) / Reduction + 1;

        public void Draw(ReadOnlySpan<float> map, ColourScale scale, Raster sheet, (int Top, int Left) place)
        {
            for (int y = 0; y < Tall; y++)
            {
                for (int x = 0; x < Wide; x++)
                    sheet[place.Top + y, place.Left + x] = scale[Mean(map, y * Reduction / Enlargement,
                        x * Reduction / Enlargement)];
            }
        }

        private float Mean(ReadOnlySpan<float> map, int y, int x)
        {
            float sum = 0;
            int bottom = Math.Min(H, y + Reduction), right = Math.Min(W, x + Reduction);
            for (int row = y; row < bottom; row++)
            {
                for (int column = x; column < right; column++)
                    sum += map[row * W + column];
            }
            return sum / ((bottom - y) * (right - x));
        }
    }
}
