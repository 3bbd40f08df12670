namespace ConvNet;

/// <summary>The part of a pooling window inside the map: rows Top to Bottom − 1 and columns Left to Right − 1, of which
/// every <see cref="Step"/>th is in the window.</summary>
internal readonly record struct Patch(int Top, int Bottom, int Left, int Right)
{
    /// <summary>The distance between the rows and between the columns of the window.</summary>
    public Extent Step { get; init; } = 1;

    /// <summary>The number of values inside the map.</summary>
    public long Area => Count(Top, Bottom, Step.H) * Count(Left, Right, Step.W);

    /// <summary>The number of values inside the map and its padding.</summary>
    public long Padded { get; init; }

    private static long Count(int first, int end, int step) => (end - first + step - 1L) / step;
}
