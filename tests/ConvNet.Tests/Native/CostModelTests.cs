using ConvNet.Native;
using ConvNet.Native.Interop;
using ConvNet.Native.Steps;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>The estimate that chooses an algorithm: what a pass has to do, counted by hand, at the prices of the
/// instruction set.</summary>
public sealed class CostModelTests
{
    // From channels to filters in groups, 3×3 with padding 1 on h×w, n samples; products in units of a block of inputs
    // times a block of outputs.
    private sealed record Work(int Channels, int Filters, int Groups, int H, int W, int N, cn_pass Pass,
        SumAlgorithm Algorithm,
        double Pairs, double Singles, double Weights, double Sources, double Results);

    private static readonly Work[] Layers =
    [
        // 4 blocks from 4 blocks, every pixel a tile of 9 products
        new(64, 64, 1, 28, 20, 8, cn_pass.CN_FORWARD, SumAlgorithm.Direct, 8 * 28 * 20 * 9 * 4 * 4 * 256, 0,
            4 * 4 * 9 * 256, 8 * 28 * 20 * 16 * 4, 8 * 28 * 20 * 16 * 4),
        // 5 blocks of outputs are two pairs and one; half a block counts as one, but of 5 channels only they are read
        new(5, 72, 1, 7, 6, 2, cn_pass.CN_FORWARD, SumAlgorithm.Direct, 2 * 42 * 9 * 5 * 16 * 4, 2 * 42 * 9 * 5 * 16,
            5 * 9 * 256, 2 * 42 * 16, 2 * 42 * 16 * 5),
        new(40, 16, 1, 7, 6, 2, cn_pass.CN_BACKWARD_WEIGHTS, SumAlgorithm.Direct, 0, 2 * 42 * 9 * 3 * 256, 3 * 9 * 256,
            2 * 42 * 16 * 3, 2 * 42 * 16),
        new(20, 16, 1, 7, 6, 2, cn_pass.CN_FORWARD, SumAlgorithm.Direct, 0, 2 * 42 * 9 * 2 * 256, 2 * 9 * 256,
            2 * 42 * 16 * 2, 2 * 42 * 16),
        // 8 channels and 16 samples: the samples are in the lanes, with half as much again for the transposes
        new(8, 32, 1, 7, 6, 16, cn_pass.CN_BACKWARD_DATA, SumAlgorithm.Direct, 0, 16 * 42 * 9 * 2 * 1.5 * 8 * 16,
            2 * 9 * 256, 16 * 42 * 16 * 2, 16 * 42 * 16),
        new(9, 32, 1, 7, 6, 16, cn_pass.CN_BACKWARD_DATA, SumAlgorithm.Direct, 0, 16 * 42 * 9 * 2 * 256, 2 * 9 * 256,
            16 * 42 * 16 * 2, 16 * 42 * 16),
        new(8, 32, 1, 7, 6, 15, cn_pass.CN_BACKWARD_DATA, SumAlgorithm.Direct, 0, 15 * 42 * 9 * 2 * 256, 2 * 9 * 256,
            15 * 42 * 16 * 2, 15 * 42 * 16),
        new(32, 8, 1, 7, 6, 16, cn_pass.CN_FORWARD, SumAlgorithm.Direct, 0, 16 * 42 * 9 * 2 * 256, 2 * 9 * 256,
            16 * 42 * 16 * 2, 16 * 42 * 16),
        // 13×10 are 7×5 tiles of 2×2 with 16 points, 4×3 of 4×4 with 36
        new(48, 80, 1, 13, 10, 8, cn_pass.CN_FORWARD, SumAlgorithm.Winograd2, 8 * 35 * 16 * 3 * 4 * 256,
            8 * 35 * 16 * 3 * 256, 3 * 5 * 16 * 256, 8 * 35 * 16 * 16 * 3, 8 * 35 * 16 * 16 * 5),
        new(48, 80, 1, 13, 10, 8, cn_pass.CN_BACKWARD_DATA, SumAlgorithm.Winograd4, 8 * 12 * 36 * 5 * 2 * 256,
            8 * 12 * 36 * 5 * 256, 3 * 5 * 36 * 256, 8 * 12 * 36 * 16 * 5, 8 * 12 * 36 * 16 * 3),
        new(64, 96, 2, 8, 8, 3, cn_pass.CN_BACKWARD_WEIGHTS, SumAlgorithm.Winograd4, 2 * 3 * 4 * 36 * 2 * 2 * 256,
            2 * 3 * 4 * 36 * 2 * 256, 2 * 2 * 3 * 36 * 256, 2 * 3 * 4 * 36 * 16 * 2, 2 * 3 * 4 * 36 * 16 * 3),
    ];

    [Test]
    public void AnEstimateIsWhatAPassHasToDoAtThePricesOfTheInstructionSet([Values] NativeIsa isa,
        [Values] bool transformed)
    {
        foreach (Work work in Layers)
        {
            cn_tensor x = Layouts.Tensor(cn_layout.CN_BLOCKED, new Shape(work.Channels, work.H, work.W)),
                y = Layouts.Tensor(cn_layout.CN_BLOCKED, new Shape(work.Filters, work.H, work.W));
            cn_conv2d conv = ConvPrimitive.Describe(x, y, new Window(3, 1, 1, 1), work.Groups);
            CostModel.Prices prices = CostModel.PricesOf((cn_isa)isa, work.Pass, work.Algorithm);
            double weight = transformed && work.Algorithm != SumAlgorithm.Direct ? prices.Transformed : prices.Weight;
            double nanoseconds = 1000 + work.Pairs * prices.Pair + work.Singles * prices.Single + work.Weights * weight
                + work.Sources * prices.Source + work.Results * prices.Result;
            double microseconds = CostModel.Microseconds(conv, work.Pass, work.Algorithm, work.N, (cn_isa)isa,
                transformed);
            Assert.That(microseconds, Is.EqualTo(nanoseconds / 1000).Within(1e-9).Percent, $"{work}");
        }
    }
}
