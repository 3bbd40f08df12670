namespace ConvNet.Reports.Pages;

/// <summary>Options of a <see cref="NetworkView"/>.</summary>
public sealed record NetworkViewOptions
{
    /// <summary>The unit whose receptive field is found: a node, and the row and column in its maps. By default the
    /// middle of the last maps with more than one unit.</summary>
    public (string Node, int Y, int X)? Unit { get; init; }

    /// <summary>The class of the occlusion map; null for the one with the highest probability.</summary>
    public int? Class { get; init; }

    /// <summary>The rows and columns of the patch of the occlusion map; null for a seventh of the image.</summary>
    public int? Patch { get; init; }

    /// <summary>The number of rows and columns by which the second image is shifted.</summary>
    public int Shift { get; init; } = 2;

    /// <summary>The number of classes that are listed.</summary>
    public int Top { get; init; } = 5;
}
