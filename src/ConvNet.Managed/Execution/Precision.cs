namespace ConvNet;

/// <summary>Specifies whether a backend may trade accuracy for speed.</summary>
public enum Precision
{
    /// <summary>Allows algorithms with larger rounding errors where they are faster: Winograd's for 3×3 convolutions.
    /// Their errors are a few times those of direct sums.</summary>
    Fast,

    /// <summary>Allows only algorithms that are at least as accurate as direct sums of products.</summary>
    Accurate,
}
