using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace ConvNet.GradientChecking;

/// <summary>Determines whether float32 computes a Winograd convolution exactly for given integer values.</summary>
/// <remarks>
/// The intermediate values are larger than those of a direct sum. The algorithm is y = Aᵀ((G w Gᵀ) ∘ (Bᵀ x B))A. For
/// F(4×4, 3×3), |Bᵀ x B| ≤ 100 max|x|, and Aᵀ and A multiply a value at the edge by 64. The magnitudes of all terms are
/// summed here: for each tile |Aᵀ|(Σ_c |G w Gᵀ| ∘ |Bᵀ x B|)|A|, and for dw |Gᵀ|(Σ |A dy Aᵀ| ∘ |Bᵀ x B|)|G| over all
/// tiles. No partial sum in any order and no intermediate value is larger. All values are multiples of one power of
/// two, and exact below 2²⁴ times that power. The matrices are those of Lavin and Gray, "Fast algorithms for
/// convolutional neural networks", CVPR 2016; Ĝ is G times its common denominator.
/// </remarks>
internal sealed class WinogradBudget
{
    private const double Limit = 1 << 24;
    private const int Taps = 3;

    private static readonly double[,]
        B2 = { { 1, 0, -1, 0 }, { 0, 1, 1, 0 }, { 0, -1, 1, 0 }, { 0, 1, 0, -1 } },
        G2 = { { 2, 0, 0 }, { 1, 1, 1 }, { 1, -1, 1 }, { 0, 0, 2 } },
        A2 = { { 1, 0 }, { 1, 1 }, { 1, -1 }, { 0, -1 } },
        B4 =
        {
            { 4, 0, -5, 0, 1, 0 }, { 0, -4, -4, 1, 1, 0 }, { 0, 4, -4, -1, 1, 0 }, { 0, -2, -1, 2, 1, 0 },
                { 0, 2, -1, -2, 1, 0 }, { 0, 4, 0, -5, 0, 1 },
        },
        G4 = { { 6, 0, 0 }, { -4, -4, -4 }, { -4, 4, -4 }, { 1, 2, 4 }, { 1, -2, 4 }, { 0, 0, 24 } },
        A4 = { { 1, 0, 0, 0 }, { 1, 1, 1, 1 }, { 1, -1, 1, -1 }, { 1, 2, 4, 8 }, { 1, -2, 4, -8 }, { 0, 0, 0, 1 } };

    private readonly Extent _before;
    private readonly int _groups;
    private readonly Shape _x, _y;
    private readonly int _n, _m;
    private readonly double[,] _b, _g, _a;
    private readonly double _denominator;

    private WinogradBudget(Layer layer, Shape x, Shape y, int n, SumAlgorithm algorithm)
    {
        Padding padding = layer.Sees(x)!.Value.Padding;
        _before = (padding.Top, padding.Left);
        _groups = x.C / layer.Parameters(x)[0].Dimensions[1];
        (_x, _y, _n, _m) = (x, y, n, DeclaredAccuracy.Tile(algorithm));
        (_b, _g, _a, _denominator) = _m == 2 ? (B2, G2, A2, 4) : (B4, G4, A4, 576);
    }

    /// <summary>Returns whether every intermediate value of a pass is exact.</summary>
    /// <param name="values">The values of a 3×3 convolution with stride 1.</param>
    /// <param name="algorithm">The algorithm. Direct sums have no intermediate values.</param>
    /// <param name="pass">The pass.</param>
    public static bool IsExact(LayerValues<float> values, SumAlgorithm algorithm, SumPass pass)
    {
        if (algorithm == SumAlgorithm.Direct)
            return true;
        var budget = new WinogradBudget(values.Layer, values.XShapes[0], values.YShape, values.N, algorithm);
        return pass switch
        {
            SumPass.Forward => budget.Forward(values.X[0], values.W[0], values.W.Length > 1 ? values.W[1].Max(Math.Abs)
                : 0),
            SumPass.InputGradient => budget.InputGradient(values.DY, values.W[0]),
            _ => budget.WeightGradient(values.X[0], values.DY),
        };
    }

    private int Depth => _x.C / _groups;

    private int PerGroup => _y.C / _groups;

    private bool Forward(float[] x, float[] w, double bias)
    {
        Extent first = (-_before.H, -_before.W);
        return Sums(x, _x, Depth, w, _y, PerGroup, first, (group, to, from)
            => ((group * PerGroup + to) * Depth + from, false), bias);
    }

    // Convolves dy with the rotated filters.
    private bool InputGradient(float[] dy, float[] w)
    {
        Extent first = (_before.H - Taps + 1, _before.W - Taps + 1);
        return Sums(dy, _y, PerGroup, w, _x, Depth, first, (group, to, from)
            => ((group * PerGroup + from) * Depth + to, true), 0);
    }

    /// <summary>Tests the largest |Aᵀ|(Σ |U| ∘ |V|)|A|, plus a bias.</summary>
    /// <param name="source">The values to convolve.</param>
    /// <param name="from">The shape of the source.</param>
    /// <param name="depth">The number of source channels in a group.</param>
    /// <param name="w">The weights.</param>
    /// <param name="to">The shape of the result.</param>
    /// <param name="results">The number of result channels in a group.</param>
    /// <param name="first">The pixel of the source that the first tap of the first result reads.</param>
    /// <param name="filter">Returns the filter from a source channel to a result channel, and whether it is
    /// rotated.</param>
    /// <param name="bias">The bias to add.</param>
    private bool Sums(float[] source, Shape from, int depth, float[] w, Shape to, int results, Extent first,
        Func<int, int, int, (int Filter, bool Turned)> filter, double bias)
    {
        double unit = UnitOf(source, 1) * UnitOf(w, _denominator);
        double[,] a = Absolute(_a);
        for (int group = 0; group < _groups; group++)
        {
            double[,][,] filters = Filters(w, group, results, depth, filter);
            if (!Parallel.ForEach(Tiles(to), (tile, state) => { if (!Fits(group, filters, tile)) state.Stop(); })
                .IsCompleted)
                return false;
        }
        return true;

        bool Fits(int group, double[,][,] filters, (int N, int Row, int Column) tile)
        {
            var tiles = new double[depth][,];
            for (int c = 0; c < depth; c++)
                tiles[c] = Absolute(
                    Both(_b, Patch(source, from, tile.N, group * depth + c, tile.Row + first.H, tile.Column + first.W,
                    _m + Taps - 1)));
            for (int k = 0; k < results; k++)
            {
                double[,] sum = new double[_m + Taps - 1, _m + Taps - 1];
                for (int c = 0; c < depth; c++)
                    AddProducts(sum, filters[k, c], tiles[c]);
                if (!(LargestOf(BothAdjoint(a, sum)) + bias < Limit * unit))
                    return false;
            }
            return true;
        }
    }

    private double[,][,] Filters(float[] w, int group, int results, int depth, Func<int, int, int,
        (int Filter, bool Turned)> filter)
    {
        var filters = new double[results, depth][,];
        for (int k = 0; k < results; k++)
        {
            for (int c = 0; c < depth; c++)
            {
                (int number, bool turned) = filter(group, k, c);
                var taps = new double[Taps, Taps];
                for (int i = 0; i < taps.Length; i++)
                    taps[i / Taps, i % Taps] = w[number * taps.Length + (turned ? taps.Length - 1 - i : i)]
                        / _denominator;
                filters[k, c] = Absolute(Both(_g, taps));
            }
        }
        return filters;
    }

    private bool WeightGradient(float[] x, float[] dy)
    {
        double unit = UnitOf(x, 1) * UnitOf(dy, _denominator);
        double[,] g = Absolute(_g);
        var gradients = new double[_y.C * Depth][,];
        for (int i = 0; i < gradients.Length; i++)
            gradients[i] = new double[_m + Taps - 1, _m + Taps - 1];
        var tiles = new double[_x.C][,];
        int sample = 0;
        foreach ((int n, int row, int column) in Tiles(_y))
        {
            // The sums can only grow, so the test stops early.
            if (n > sample && !Fit())
                return false;
            sample = n;
            for (int c = 0; c < _x.C; c++)
                tiles[c] = Absolute(Both(_b, Patch(x, _x, n, c, row - _before.H, column - _before.W, _m + Taps - 1)));
            Parallel.For(0, _y.C, k =>
            {
                double[,] spread = Absolute(Both(_a, Patch(dy, _y, n, k, row, column, _m)));
                for (int c = 0; c < Depth; c++)
                    AddProducts(gradients[k * Depth + c], spread, tiles[k / PerGroup * Depth + c]);
            });
        }
        return Fit();

        bool Fit() => gradients.All(sum => LargestOf(BothAdjoint(g, sum)) / _denominator < Limit * unit);
    }

    private IEnumerable<(int N, int Row, int Column)> Tiles(Shape plane)
    {
        for (int n = 0; n < _n; n++)
        {
            for (int row = 0; row < plane.H; row += _m)
            {
                for (int column = 0; column < plane.W; column += _m)
                    yield return (n, row, column);
            }
        }
    }

    // The largest power of two of which all values, divided by the divisor, are multiples. Returns 0 if there is none;
    // nothing is exact in that case.
    private static double UnitOf(float[] values, double divisor)
    {
        BoundedSum sum = default;
        foreach (float value in values)
            sum += value / divisor;
        return sum.Unit;
    }

    private static double[,] Patch(float[] values, Shape shape, int n, int channel, int row, int column, int size)
    {
        var patch = new double[size, size];
        int plane = (n * shape.C + channel) * shape.Area;
        for (int i = Math.Max(0, -row); i < Math.Min(size, shape.H - row); i++)
        {
            for (int j = Math.Max(0, -column); j < Math.Min(size, shape.W - column); j++)
                patch[i, j] = values[plane + (row + i) * shape.W + column + j];
        }
        return patch;
    }

    private static void AddProducts(double[,] sum, double[,] a, double[,] b)
        => TensorPrimitives.MultiplyAdd(Flat(a), Flat(b), Flat(sum), Flat(sum));

    private static Span<double> Flat(double[,] values) => MemoryMarshal.CreateSpan(ref values[0, 0], values.Length);

    // Computes T t Tᵀ.
    private static double[,] Both(double[,] transform, double[,] values)
        => Product(transform, Transposed(Product(transform, Transposed(values))));

    // Computes Tᵀ t T.
    private static double[,] BothAdjoint(double[,] transform, double[,] values) => Both(Transposed(transform), values);

    private static double[,] Product(double[,] a, double[,] b)
    {
        var product = new double[a.GetLength(0), b.GetLength(1)];
        for (int i = 0; i < a.GetLength(0); i++)
        {
            for (int k = 0; k < a.GetLength(1); k++)
            {
                for (int j = 0; j < b.GetLength(1); j++)
                    product[i, j] += a[i, k] * b[k, j];
            }
        }
        return product;
    }

    private static double[,] Transposed(double[,] a)
    {
        var transposed = new double[a.GetLength(1), a.GetLength(0)];
        for (int i = 0; i < a.GetLength(0); i++)
        {
            for (int j = 0; j < a.GetLength(1); j++)
                transposed[j, i] = a[i, j];
        }
        return transposed;
    }

    private static double[,] Absolute(double[,] a)
    {
        var absolute = (double[,])a.Clone();
        TensorPrimitives.Abs(Flat(absolute), Flat(absolute));
        return absolute;
    }

    private static double LargestOf(double[,] values) => TensorPrimitives.Max(Flat(values));
}
