using ConvNet.Diagnostics;
using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>Estimates how long a pass of a 3×3 convolution takes with each algorithm.</summary>
/// <remarks>
/// Linear in three amounts: the products that are summed, in whole blocks of channels and whole tiles; the values that are read and written, in a
/// Winograd algorithm the transformed ones; and the weights, likewise. What each costs is fitted to measurements on one thread for each
/// instruction set, and is a constant: nothing is read from the machine.
/// </remarks>
internal static class CostModel
{
    /// <summary>Microseconds on one thread.</summary>
    /// <param name="conv">A convolution that all algorithms can compute.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="algorithm">The algorithm.</param>
    /// <param name="n">Samples.</param>
    /// <param name="isa">The instruction set.</param>
    /// <param name="transformed">Whether the weights come transformed.</param>
    public static double Microseconds(in cn_conv2d conv, cn_pass pass, SumAlgorithm algorithm, int n, cn_isa isa, bool transformed)
    {
        Amounts amounts = AmountsOf(conv, pass, algorithm, n, transformed);
        Prices prices = PricesOf(isa, pass, algorithm);
        return 1e-3 * (amounts.Products * prices.Product + amounts.Values * prices.Value + amounts.Weights * prices.Weight + prices.Call);
    }

    /// <summary>What a pass has to do.</summary>
    /// <param name="Products">Multiply-adds.</param>
    /// <param name="Values">Values of both sides.</param>
    /// <param name="Weights">Weights.</param>
    internal readonly record struct Amounts(double Products, double Values, double Weights);

    /// <summary>Nanoseconds for each of them, and for a call.</summary>
    private readonly record struct Prices(double Product, double Value, double Weight, double Call);

    /// <summary>The amounts of a pass.</summary>
    /// <inheritdoc cref="Microseconds" path="/param"/>
    internal static Amounts AmountsOf(in cn_conv2d conv, cn_pass pass, SumAlgorithm algorithm, int n, bool transformed)
    {
        cn_tensor results = pass == cn_pass.CN_BACKWARD_DATA ? conv.dx : conv.y;
        double inputs = Whole(conv.x.c / conv.groups, Convnet.CN_BLOCK), outputs = Whole(conv.y.c / conv.groups, Convnet.CN_BLOCK);
        int tile = DeclaredAccuracy.Tile(algorithm), points = algorithm == SumAlgorithm.Direct ? conv.kernel_h * conv.kernel_w : (tile + 2) * (tile + 2);
        double tiles = (double)n * Tiles(results.h, tile) * Tiles(results.w, tile), weights = inputs * outputs * points * conv.groups;
        double values = tiles * (inputs + outputs) * conv.groups * (algorithm == SumAlgorithm.Direct ? 1 : points);
        return new Amounts(tiles * weights, values, transformed && algorithm != SumAlgorithm.Direct ? 0 : weights);
    }

    private static Prices PricesOf(cn_isa isa, cn_pass pass, SumAlgorithm algorithm) => (isa, algorithm, pass == cn_pass.CN_BACKWARD_WEIGHTS) switch
    {
        (cn_isa.CN_AVX512, SumAlgorithm.Direct, _) => new(0.0084, 0.02, 0.1, 1000),
        (cn_isa.CN_AVX512, _, _) => new(0.0095, 0.05, 0.1, 2000),
        (cn_isa.CN_AVX2, SumAlgorithm.Direct, _) => new(0.0168, 0.02, 0.1, 1000),
        (cn_isa.CN_AVX2, _, _) => new(0.019, 0.07, 0.12, 2000),
        (_, SumAlgorithm.Direct, _) => new(0.5, 0.1, 0.2, 1000),
        _ => new(0.5, 0.4, 0.6, 2000),
    };

    private static double Whole(int count, int unit) => Tiles(count, unit) * (double)unit;

    private static int Tiles(int count, int size) => (count + size - 1) / size;
}
