namespace ConvNet;

/// <summary>The accuracy of each algorithm: the λ of its error bound λ·u·√n·(Q + M), and the whole numbers for which it
/// is exact.</summary>
/// <remarks>
/// <para>The results of a Winograd tile share their rounding errors: a result whose own window is nearly zero has the
/// errors of its neighbours. Therefore Q and M are the maxima over all results within reach. These are the results
/// within <see cref="Reach"/> rows and columns of the same plane and, for dw, the 9 taps of the same filter and
/// channel.</para>
/// <para>λ is 4 for direct sums; the largest ratio measured is 1.3. For the Winograd algorithms λ is 1.5 times the
/// largest measured |error| / (u·√n·(Q + M)) of the C kernels. It was measured over 300 layers of 1 to 512 channels, 1
/// to 64 filters, maps of 4×4 to 56×56 and batches of 1 to 8, with values that were uniform, normal, and normal with
/// negative values set to zero. This gives 5.9 and 42 for y and dx, and 1.3 (less than the λ of direct sums) and 13.8
/// for dw. The largest ratios occur for sums over a single channel; from 5 channels on, F(4×4, 3×3) has 11 for
/// y.</para>
/// <para>F(2×2, 3×3) is exact for whole numbers, because their transforms are multiples of 1/4. F(4×4, 3×3) multiplies
/// one operand twice by 1/24 and 1/6, and is exact for multiples of 24² although 1/6 is not a float. The relative error
/// of fl(1/6), fl(1/12) and fl(1/24) is 2⁻²⁵, less than half the distance between any two floats. A product whose true
/// value is a float is therefore rounded to that float.</para>
/// </remarks>
internal static class DeclaredAccuracy
{
    /// <summary>The λ of an algorithm that sums the products themselves, in any order.</summary>
    public const double Direct = 4;

    /// <summary>Advice about infinite or very large values, which Winograd algorithms spread, as part of a
    /// sentence.</summary>
    public const string OverflowAdvice
        = "one infinite or very large value in a tile of a Winograd algorithm makes the whole tile NaN; "
            + "Precision.Accurate (--precision accurate) uses direct sums";

    /// <summary>Gets the λ of an algorithm in a pass.</summary>
    public static double Lambda(SumAlgorithm algorithm, SumPass pass) => (algorithm, pass) switch
    {
        (SumAlgorithm.Direct, _) => Direct,
        (SumAlgorithm.Winograd2, SumPass.WeightGradient) => Direct,
        (SumAlgorithm.Winograd2, _) => 9,
        (_, SumPass.WeightGradient) => 21,
        _ => 63,
    };

    /// <summary>Gets the distance in rows and columns within which results share their errors.</summary>
    public static int Reach(SumAlgorithm algorithm, SumPass pass) => algorithm switch
    {
        SumAlgorithm.Direct => 0,
        _ when pass == SumPass.WeightGradient => 2,
        _ => Tile(algorithm) - 1,
    };

    /// <summary>Gets the number of rows and columns of a tile of results.</summary>
    public static int Tile(SumAlgorithm algorithm) => algorithm switch
    {
        SumAlgorithm.Winograd2 => 2,
        SumAlgorithm.Winograd4 => 4,
        _ => 1,
    };

    /// <summary>Gets the number of which the operand of the transform G must be a multiple for the result to be exact.
    /// The operand is the weights or, in the gradient of the weights, dy.</summary>
    public static int Grain(SumAlgorithm algorithm) => algorithm == SumAlgorithm.Winograd4 ? 576 : 1;
}
