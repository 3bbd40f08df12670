namespace ConvNet;

/// <summary>How accurate each algorithm is: the λ of its error bound λ·u·√n·(Q + M), and the whole numbers that it
/// computes exactly.</summary>
/// <remarks>
/// <para>The results of a Winograd tile share their rounding errors: one whose own window is nearly zero has the error
/// of its neighbours. So Q and M are those of the worst result within reach: <see cref="Reach"/> rows and columns in
/// its plane, for dw the 9 taps of its filter and channel.</para>
/// <para>λ of direct sums is 4; the worst that was seen is 1.3. Those of the Winograd algorithms are 1.5 times the
/// largest |error| / (u·√n·(Q + M)) of the C kernels over 300 layers of 1 to 512 channels, 1 to 64 filters, maps of 4×4
/// to 56×56 and batches of 1 to 8, with values uniform, normal, and normal cut off at zero: for y and dx 5.9 and 42,
/// for dw 1.3, which is less than λ of direct sums, and 13.8. The largest are those of sums over a single channel; from
/// 5 channels on y of F(4×4, 3×3) has 11.</para>
/// <para>F(2×2, 3×3) is exact on whole numbers, whose transforms end in quarters. F(4×4, 3×3) multiplies one operand by
/// 1/24 and 1/6 twice: on multiples of 24² it is exact, although 1/6 is no float: fl(1/6), fl(1/12) and fl(1/24) are
/// off by 2⁻²⁵ of their value, less than half the distance between any two floats, so that a product whose true value
/// is a float is rounded to it.</para>
/// </remarks>
public static class DeclaredAccuracy
{
    /// <summary>λ of an algorithm that sums the products themselves, in any order.</summary>
    public const double Direct = 4;

    /// <summary>What to do about values that a Winograd algorithm spreads, as part of a sentence.</summary>
    public const string OverflowAdvice
        = "in a tile of Winograd's algorithms one infinite or very large value makes every result NaN; "
            + "Precision.Accurate (--precision accurate) takes direct sums";

    /// <summary>λ of an algorithm in a pass.</summary>
    public static double Lambda(SumAlgorithm algorithm, SumPass pass) => (algorithm, pass) switch
    {
        (SumAlgorithm.Direct, _) => Direct,
        (SumAlgorithm.Winograd2, SumPass.WeightGradient) => Direct,
        (SumAlgorithm.Winograd2, _) => 9,
        (_, SumPass.WeightGradient) => 21,
        _ => 63,
    };

    /// <summary>Within how many rows and columns results share their errors.</summary>
    public static int Reach(SumAlgorithm algorithm, SumPass pass) => algorithm switch
    {
        SumAlgorithm.Direct => 0,
        _ when pass == SumPass.WeightGradient => 2,
        _ => Tile(algorithm) - 1,
    };

    /// <summary>Rows and columns of a tile of results.</summary>
    public static int Tile(SumAlgorithm algorithm) => algorithm switch
    {
        SumAlgorithm.Winograd2 => 2,
        SumAlgorithm.Winograd4 => 4,
        _ => 1,
    };

    /// <summary>What the operand of the transform G must be multiples of: the weights, or dy in the gradient of the
    /// weights.</summary>
    public static int Grain(SumAlgorithm algorithm) => algorithm == SumAlgorithm.Winograd4 ? 576 : 1;
}
