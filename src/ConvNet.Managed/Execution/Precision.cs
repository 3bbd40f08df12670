namespace ConvNet;

/// <summary>Whether a backend may trade accuracy for time.</summary>
public enum Precision
{
    /// <summary>Algorithms that round more, where they take less time: Winograd's for 3×3 convolutions. Their errors
    /// are a few times those of direct sums; <see cref="DeclaredAccuracy"/> says how many.</summary>
    Fast,

    /// <summary>Nothing less exact than sums of the products themselves.</summary>
    Accurate,
}
