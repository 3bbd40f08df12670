namespace ConvNet.GradientChecking;

/// <summary>A rectangle of one map of a tensor.</summary>
internal readonly record struct MapBlock(int Plane, int Row, int Column, int Rows, int Columns);

/// <summary>The elements of a tensor that are compared if the reference of all would take too long.</summary>
/// <remarks>Every kernel is compared; only elements are left out. The first and last sample, channel, row and column,
/// where loops end, are drawn more often than the others.</remarks>
internal static class SampledElements
{
    private const int Fewest = 16;

    /// <summary>Draws the blocks; null if all elements can be computed.</summary>
    /// <param name="n">The number of samples, or of filters.</param>
    /// <param name="shape">The shape of one sample.</param>
    /// <param name="block">The rows and columns of a block; clipped to the map.</param>
    /// <param name="reach">How far around a block neighbours have to be computed as well.</param>
    /// <param name="terms">The number of terms of an element.</param>
    /// <param name="budget">The number of terms to compute.</param>
    /// <param name="seed">The seed.</param>
    public static MapBlock[]? Draw(int n, Shape shape, Extent block, int reach, int terms, long budget, ulong seed)
    {
        int rows = Math.Min(block.H, shape.H), columns = Math.Min(block.W, shape.W);
        long area = Math.Min(shape.H, rows + 2L * reach) * Math.Min(shape.W, columns + 2L * reach);
        long count = Math.Max(Fewest, budget / Math.Max(1, area * terms));
        if (count * rows * columns >= (long)n * shape.Length)
            return null;
        var blocks = new MapBlock[count];
        for (int i = 0; i < blocks.Length; i++)
        {
            int sample = Draw(seed, i, 0, n), channel = Draw(seed, i, 1, shape.C);
            blocks[i] = new MapBlock(sample * shape.C + channel, Draw(seed, i, 2, shape.H - rows + 1),
                Draw(seed, i, 3, shape.W - columns + 1), rows, columns);
        }
        return blocks;
    }

    /// <summary>Computes the elements of blocks.</summary>
    /// <param name="name">The name of the tensor.</param>
    /// <param name="length">The number of elements of the tensor.</param>
    /// <param name="plane">The rows and columns of a map.</param>
    /// <param name="blocks">The blocks; null for all elements.</param>
    /// <param name="scale">The factor of the bounds.</param>
    /// <param name="reach">How far errors spread: a bound is the largest within this distance.</param>
    /// <param name="element">Computes an element.</param>
    public static TruthTensor Evaluate(string name, int length, Extent plane, MapBlock[]? blocks, double scale,
        int reach, Func<int, SumOfTerms> element)
    {
        double[] values = new double[length], bounds = new double[length], ceilings = new double[length];
        if (blocks is not null)
            Array.Fill(values, double.NaN);
        int area = (int)plane.Area;
        blocks ??= [.. Enumerable.Range(0, length / area).Select(i => new MapBlock(i, 0, 0, plane.H, plane.W))];
        Parallel.ForEach(blocks, block => Fill(block));
        return new TruthTensor(name, values) { Bounds = bounds, Ceilings = ceilings, IsSample = true };

        void Fill(MapBlock block)
        {
            int top = Math.Max(0, block.Row - reach), left = Math.Max(0, block.Column - reach),
                bottom = Math.Min(plane.H, block.Row + block.Rows + reach),
                right = Math.Min(plane.W, block.Column + block.Columns + reach), width = right - left;
            var sums = new SumOfTerms[(bottom - top) * width];
            for (int i = 0; i < sums.Length; i++)
                sums[i] = element(block.Plane * area + (top + i / width) * plane.W + left + i % width);
            for (int row = block.Row; row < block.Row + block.Rows; row++)
            {
                for (int column = block.Column; column < block.Column + block.Columns; column++)
                {
                    int at = block.Plane * area + row * plane.W + column;
                    values[at] = sums[(row - top) * width + column - left].Value;
                    for (int i = Math.Max(top, row - reach); i < Math.Min(bottom, row + reach + 1); i++)
                    {
                        for (int j = Math.Max(left, column - reach); j < Math.Min(right, column + reach + 1); j++)
                        {
                            SumOfTerms near = sums[(i - top) * width + j - left];
                            bounds[at] = Math.Max(bounds[at], scale * near.Bound);
                            ceilings[at] = Math.Max(ceilings[at], scale * near.Ceiling);
                        }
                    }
                }
            }
        }
    }

    private static int Draw(ulong seed, int block, int axis, int count)
    {
        uint word = Philox.Word(seed, block, axis, 7);
        return (word & 15) switch
        {
            < 4 => count - 1,
            < 6 => 0,
            _ => (int)((word >> 4) % (uint)count),
        };
    }
}
