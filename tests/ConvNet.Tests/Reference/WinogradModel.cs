namespace ConvNet.Tests.Reference;

/// <summary>A convolution by Winograd's algorithms in plain float32, its constants open to be spoilt.</summary>
/// <remarks>Products and sums are rounded apart, tile by tile, as a kernel does it without fused multiply-adds. No
/// groups.</remarks>
internal sealed class WinogradModel
{
    private const float Sixth = 1 / 6f, Twelfth = 1 / 12f, TwentyFourth = 1 / 24f;

    private readonly int _m;

    /// <summary>The model of an algorithm.</summary>
    public WinogradModel(SumAlgorithm algorithm)
    {
        _m = algorithm == SumAlgorithm.Winograd2 ? 2 : 4;
        Input = _m == 2
            ? [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]
            : [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0], [0, -2, -1, 2, 1, 0],
                [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]];
        Filter = _m == 2
            ? [[1, 0, 0], [0.5f, 0.5f, 0.5f], [0.5f, -0.5f, 0.5f], [0, 0, 1]]
            :
            [
                [0.25f, 0, 0], [-Sixth, -Sixth, -Sixth], [-Sixth, Sixth, -Sixth],
                [TwentyFourth, Twelfth, Sixth], [TwentyFourth, -Twelfth, Sixth], [0, 0, 1],
            ];
        Output = _m == 2
            ? [[1, 1, 1, 0], [0, 1, -1, -1]]
            : [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]];
    }

    /// <summary>Bᵀ.</summary>
    public float[][] Input { get; }

    /// <summary>G.</summary>
    public float[][] Filter { get; }

    /// <summary>Aᵀ.</summary>
    public float[][] Output { get; }

    /// <summary>The output, without a bias.</summary>
    public float[] Forward(LayerValues<float> values)
    {
        Window window = ((Conv2d)values.Layer).Window;
        return Results(values, values.X[0], values.XShapes[0], values.YShape, -window.Padding.Top, -window.Padding.Left,
            (k, c) => Taps(values.W[0], k * values.XShapes[0].C + c));
    }

    /// <summary>The gradient of the input: the filters turned round, over dy.</summary>
    public float[] InputGradient(LayerValues<float> values)
    {
        Window window = ((Conv2d)values.Layer).Window;
        return Results(values, values.DY, values.YShape, values.XShapes[0], window.Padding.Top - 2,
            window.Padding.Left - 2,
            (c, k) => [.. Taps(values.W[0], k * values.XShapes[0].C + c).Reverse()
                .Select(row => row.Reverse().ToArray())]);
    }

    /// <summary>The gradient of the weights.</summary>
    public float[] WeightGradient(LayerValues<float> values)
    {
        Window window = ((Conv2d)values.Layer).Window;
        (Shape xs, Shape ys) = (values.XShapes[0], values.YShape);
        float[][] spread = Transposed(Output), back = Transposed(Filter);
        var gradient = new List<float>();
        for (int k = 0; k < ys.C; k++)
        {
            for (int c = 0; c < xs.C; c++)
            {
                float[][] sum = Zeros(_m + 2);
                foreach ((int n, int row, int column) in Tiles(values.N, ys))
                {
                    float[][] x = Both(Input,
                        Patch(values.X[0], xs, n, c, row - window.Padding.Top, column - window.Padding.Left, _m + 2));
                    AddProducts(sum, Both(spread, Patch(values.DY, ys, n, k, row, column, _m)), x);
                }
                gradient.AddRange(Both(back, sum).SelectMany(taps => taps));
            }
        }
        return [.. gradient];
    }

    private float[] Results(LayerValues<float> values, float[] source, Shape from, Shape to, int top, int left,
        Func<int, int, float[][]> taps)
    {
        var result = new float[values.N * to.Length];
        float[][][][] filters = [.. Enumerable.Range(0, to.C)
            .Select(k => Enumerable.Range(0, from.C).Select(c => Both(Filter, taps(k, c))).ToArray())];
        foreach ((int n, int row, int column) in Tiles(values.N, to))
        {
            float[][][] tiles = [.. Enumerable.Range(0, from.C)
                .Select(c => Both(Input, Patch(source, from, n, c, row + top, column + left, _m + 2)))];
            for (int k = 0; k < to.C; k++)
            {
                float[][] sum = Zeros(_m + 2);
                for (int c = 0; c < from.C; c++)
                    AddProducts(sum, filters[k][c], tiles[c]);
                float[][] tile = Both(Output, sum);
                for (int i = 0; i < Math.Min(_m, to.H - row); i++)
                    tile[i].AsSpan(0, Math.Min(_m, to.W - column))
                        .CopyTo(result.AsSpan(((n * to.C + k) * to.H + row + i) * to.W + column));
            }
        }
        return result;
    }

    private IEnumerable<(int N, int Row, int Column)> Tiles(int n, Shape plane) =>
        from sample in Enumerable.Range(0, n)
        from row in Enumerable.Range(0, (plane.H + _m - 1) / _m)
        from column in Enumerable.Range(0, (plane.W + _m - 1) / _m)
        select (sample, row * _m, column * _m);

    private static float[][] Taps(float[] w, int filter) => [.. w.AsSpan(filter * 9, 9).ToArray().Chunk(3)];

    private static float[][] Patch(float[] values, Shape shape, int n, int channel, int row, int column, int size) =>
    [
        .. Enumerable.Range(row, size).Select(h => Enumerable.Range(column, size)
            .Select(w => h >= 0 && h < shape.H && w >= 0 && w < shape.W
                ? values[((n * shape.C + channel) * shape.H + h) * shape.W + w] : 0).ToArray()),
    ];

    private static void AddProducts(float[][] sum, float[][] a, float[][] b)
    {
        for (int i = 0; i < sum.Length; i++)
        {
            for (int j = 0; j < sum.Length; j++)
                sum[i][j] += a[i][j] * b[i][j];
        }
    }

    // T t Tᵀ.
    private static float[][] Both(float[][] transform, float[][] values)
        => Product(transform, Transposed(Product(transform, Transposed(values))));

    private static float[][] Product(float[][] a, float[][] b)
        => [.. a.Select(row => Enumerable.Range(0, b[0].Length).Select(j => Sum(row, b, j)).ToArray())];

    private static float Sum(float[] row, float[][] b, int column)
    {
        float sum = 0;
        for (int k = 0; k < row.Length; k++)
            sum += row[k] * b[k][column];
        return sum;
    }

    private static float[][] Transposed(float[][] a)
        => [.. Enumerable.Range(0, a[0].Length).Select(j => a.Select(row => row[j]).ToArray())];

    private static float[][] Zeros(int size) => [.. Enumerable.Range(0, size).Select(_ => new float[size])];
}
