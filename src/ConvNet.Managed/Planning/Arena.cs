namespace ConvNet.Planning;

/// <summary>A block of memory that is needed from one point of a schedule to another, both included.</summary>
/// <param name="Length">Its length; any unit, the same for all.</param>
/// <param name="First">The first point at which it is written.</param>
/// <param name="Last">The last point at which it is read.</param>
internal readonly record struct Lifetime(long Length, int First, int Last)
{
    /// <summary>Whether both are needed at some point together.</summary>
    public bool Overlaps(Lifetime other) => First <= other.Last && other.First <= Last;
}

/// <summary>Where each block of a schedule lies in one arena.</summary>
/// <param name="Offsets">One offset per lifetime.</param>
/// <param name="Length">The arena's length.</param>
internal sealed record Arena(long[] Offsets, long Length)
{
    /// <summary>Places blocks so that those needed together do not overlap: the largest first, each at the lowest place that is free.</summary>
    /// <param name="blocks">The blocks.</param>
    /// <param name="alignment">Every offset is a multiple of this.</param>
    public static Arena Plan(IReadOnlyList<Lifetime> blocks, long alignment)
    {
        var offsets = new long[blocks.Count];
        var placed = new List<int>();
        long length = 0;
        foreach (int block in Enumerable.Range(0, blocks.Count).OrderByDescending(i => blocks[i].Length).ThenBy(i => i))
        {
            long offset = 0;
            foreach (int other in placed.Where(other => blocks[other].Overlaps(blocks[block])).OrderBy(other => offsets[other]))
            {
                if (offset + blocks[block].Length <= offsets[other])
                    break;
                offset = Math.Max(offset, Align(offsets[other] + blocks[other].Length, alignment));
            }
            offsets[block] = offset;
            placed.Add(block);
            length = Math.Max(length, offset + blocks[block].Length);
        }
        return new Arena(offsets, Align(length, alignment));
    }

    private static long Align(long offset, long alignment) => (offset + alignment - 1) / alignment * alignment;
}
