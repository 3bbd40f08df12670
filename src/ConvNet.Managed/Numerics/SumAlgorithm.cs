namespace ConvNet;

/// <summary>The algorithm by which a backend computes the sums of a layer.</summary>
public enum SumAlgorithm
{
    /// <summary>Sums the products themselves, in any order.</summary>
    Direct,

    /// <summary>Winograd's F(2×2, 3×3): computes tiles of 2×2 results from transformed inputs and filters.</summary>
    Winograd2,

    /// <summary>Winograd's F(4×4, 3×3).</summary>
    Winograd4,
}

/// <summary>The result of a layer that is computed.</summary>
public enum SumPass
{
    /// <summary>The output, y.</summary>
    Forward,

    /// <summary>The gradient of the first input, dx.</summary>
    InputGradient,

    /// <summary>The gradient of the weights, dw.</summary>
    WeightGradient,
}
