namespace ConvNet.Interpretation;

/// <summary>Options of an <see cref="Occlusion"/>.</summary>
public sealed record OcclusionOptions
{
    /// <summary>The rows and columns of the patch; by default a seventh of the image's.</summary>
    public Extent? Patch { get; init; }

    /// <summary>The distance of two positions of the patch; by default half of the patch.</summary>
    public Extent? Stride { get; init; }

    /// <summary>The value of the patch in the units of the network's input; by default 0, the mean of a normalised
    /// image.</summary>
    public float Value { get; init; }
}
