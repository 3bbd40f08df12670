using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>Estimates the time of a pass of a 3×3 convolution with each algorithm.</summary>
/// <remarks>
/// The estimate is linear in the amounts of work: products in whole channel blocks and whole tiles, separately for
/// pairs of blocks and for a single remaining block; weights; and values that are read and written, which a Winograd
/// algorithm transforms. The prices were fitted by least squares of the relative error to the three passes of 60 to 200
/// layers on one thread of a Xeon (Sapphire Rapids). They are constants: nothing is measured on the machine that runs.
/// On these layers the choice was within 10% of the best for 97% with AVX-512, 96% with AVX2 and 95% in portable C. On
/// other layers it was for 97% with AVX-512.
/// </remarks>
internal static class CostModel
{
    private const double NanosecondsPerCall = 1000;

    // With 16 samples in the lanes, a direct pass computes only the products of the existing channels. The transposes
    // cost half as many.
    private const int ChannelsForSamples = 8;
    private const double Transposes = 1.5;

    /// <summary>Estimates the time on one thread in microseconds.</summary>
    /// <param name="conv">A convolution that all algorithms support.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="algorithm">The algorithm.</param>
    /// <param name="n">The number of samples.</param>
    /// <param name="isa">The instruction set.</param>
    /// <param name="transformed">Whether the weights are already transformed.</param>
    public static double Microseconds(in cn_conv2d conv, cn_pass pass, SumAlgorithm algorithm, int n, cn_isa isa,
        bool transformed)
    {
        Amounts amounts = AmountsOf(conv, pass, algorithm, n);
        Prices prices = PricesOf(isa, pass, algorithm);
        double weight = transformed && algorithm != SumAlgorithm.Direct ? prices.Transformed : prices.Weight;
        return 1e-3 * (NanosecondsPerCall + amounts.Pairs * prices.Pair + amounts.Singles * prices.Single
            + amounts.Weights * weight
            + amounts.Sources * prices.Source + amounts.Results * prices.Result);
    }

    /// <summary>The amounts of work of a pass.</summary>
    /// <param name="Pairs">The multiply-adds with two channel blocks in the lanes.</param>
    /// <param name="Singles">The multiply-adds with one channel block in the lanes.</param>
    /// <param name="Weights">The number of weights.</param>
    /// <param name="Sources">The number of values read. In backward-weights, the values of x.</param>
    /// <param name="Results">The number of values written. In backward-weights, the values of dy.</param>
    private readonly record struct Amounts(double Pairs, double Singles, double Weights, double Sources,
        double Results);

    /// <summary>The price of each amount in nanoseconds. Transformed is the price of a weight that is already
    /// transformed.</summary>
    internal readonly record struct Prices(double Pair, double Single, double Weight, double Source, double Result,
        double Transformed = 0);

    private static Amounts AmountsOf(in cn_conv2d conv, cn_pass pass, SumAlgorithm algorithm, int n)
    {
        const int Block = Convnet.CN_BLOCK;
        bool backward = pass == cn_pass.CN_BACKWARD_DATA, direct = algorithm == SumAlgorithm.Direct;
        cn_tensor results = backward ? conv.dx : conv.y;
        int channels = conv.x.c / conv.groups, filters = conv.y.c / conv.groups;
        (int inputs, int outputs) = backward ? (filters, channels) : (channels, filters);
        double sources = Tiles(inputs, Block), lanes = Tiles(outputs, Block), single = lanes % 2;
        int tile = DeclaredAccuracy.Tile(algorithm), points = direct ? conv.window.kernel_h * conv.window.kernel_w
            : (tile + 2) * (tile + 2);
        double tiles = (double)n * conv.groups * Tiles(results.h, tile) * Tiles(results.w, tile);
        double terms = direct && (sources == 1 || pass == cn_pass.CN_BACKWARD_WEIGHTS) ? Math.Min(Block, inputs)
            : Block;
        if (direct && backward && outputs <= ChannelsForSamples && n >= Block)
            terms *= Transposes * outputs / Block;
        double products = tiles * points * sources * terms * Block, values = tiles * Block * (direct ? 1 : points);
        return new Amounts(products * (lanes - single), products * single, (double)conv.groups * sources * lanes
            * points * Block * Block,
            values * sources, values * lanes);
    }

    /// <summary>Returns the prices for an instruction set.</summary>
    internal static Prices PricesOf(cn_isa isa, cn_pass pass, SumAlgorithm algorithm)
        => (isa, algorithm, pass == cn_pass.CN_BACKWARD_WEIGHTS) switch
        {
            (cn_isa.CN_AVX512, SumAlgorithm.Direct, false) => new(0.0114, 0.0123, 0.076, 0, 0.093),
            (cn_isa.CN_AVX512, SumAlgorithm.Direct, true) => new(0.0126, 0.0128, 0.130, 0.056, 0.092),
            (cn_isa.CN_AVX512, SumAlgorithm.Winograd2, false) => new(0.0144, 0.0173, 0.167, 0.077, 0.046, 0.2),
            (cn_isa.CN_AVX512, SumAlgorithm.Winograd2, true) => new(0.0156, 0.0210, 0.219, 0.068, 0.044),
            (cn_isa.CN_AVX512, _, false) => new(0.0165, 0.0206, 0.162, 0.045, 0.063, 0.2),
            (cn_isa.CN_AVX512, _, true) => new(0.0188, 0.0254, 0.204, 0.054, 0.033),
            (cn_isa.CN_AVX2, SumAlgorithm.Direct, false) => new(0.0217, 0.0200, 0.054, 0, 0.214),
            (cn_isa.CN_AVX2, SumAlgorithm.Direct, true) => new(0.0239, 0.0235, 0.076, 0, 0.146),
            (cn_isa.CN_AVX2, SumAlgorithm.Winograd2, false) => new(0.0245, 0.0251, 0.213, 0.171, 0, 0.2),
            (cn_isa.CN_AVX2, SumAlgorithm.Winograd2, true) => new(0.0273, 0.0308, 0.162, 0.105, 0),
            (cn_isa.CN_AVX2, _, false) => new(0.0270, 0.0307, 0.211, 0.105, 0.052, 0.2),
            (cn_isa.CN_AVX2, _, true) => new(0.0280, 0.0346, 0.246, 0.083, 0.013),
            (_, SumAlgorithm.Direct, false) => new(0.175, 0.175, 0.279, 0.276, 0.663),
            (_, SumAlgorithm.Direct, true) => new(0.151, 0.143, 1.350, 2.434, 1.600),
            (_, SumAlgorithm.Winograd2, false) => new(0.149, 0.133, 0.740, 0.709, 0, 0.455),
            (_, SumAlgorithm.Winograd2, true) => new(0.108, 0.035, 1.473, 1.835, 0),
            (_, _, false) => new(0.169, 0.158, 0.464, 0.656, 0, 0.246),
            (_, _, true) => new(0.111, 0.031, 2.567, 2.083, 0),
        };

    private static int Tiles(int count, int size) => (count + size - 1) / size;
}
