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
    // No order suits every schedule, and planning takes less than a millisecond: the best of these is taken.
    private static readonly Func<Lifetime, long>[] Orders =
    [
        block => block.Length,
        block => block.Length * (block.Last - block.First + 1),
        block => block.Last - block.First,
        block => -block.First,
        block => block.Last,
    ];

    /// <summary>Places blocks so that those needed together do not overlap, in one order after another; the shortest arena wins.</summary>
    /// <param name="blocks">The blocks.</param>
    /// <param name="alignment">Every offset is a multiple of this.</param>
    public static Arena Plan(IReadOnlyList<Lifetime> blocks, long alignment)
        => Orders.SelectMany(order => (Arena[])[Place(blocks, order, tight: false, alignment), Place(blocks, order, tight: true, alignment)])
            .MinBy(arena => arena.Length)!;

    // From the first in the order on, each at the lowest place that is free, or in the tightest gap between those that are placed.
    private static Arena Place(IReadOnlyList<Lifetime> blocks, Func<Lifetime, long> order, bool tight, long alignment)
    {
        var offsets = new long[blocks.Count];
        var placed = new List<int>();       // from the lowest offset to the highest
        long length = 0;
        foreach (int block in Enumerable.Range(0, blocks.Count).OrderByDescending(i => order(blocks[i])).ThenByDescending(i => blocks[i].Length))
        {
            long place = -1, least = long.MaxValue, free = 0;
            foreach (int other in placed.Where(other => blocks[other].Overlaps(blocks[block])))
            {
                long gap = offsets[other] - free;
                if (gap >= blocks[block].Length && gap < least && (tight || place < 0))
                    (place, least) = (free, gap);
                free = Math.Max(free, Align(offsets[other] + blocks[other].Length, alignment));
            }
            offsets[block] = place < 0 ? free : place;
            int rank = placed.FindIndex(other => offsets[other] > offsets[block]);
            placed.Insert(rank < 0 ? placed.Count : rank, block);
            length = Math.Max(length, offsets[block] + blocks[block].Length);
        }
        return new Arena(offsets, Align(length, alignment));
    }

    private static long Align(long offset, long alignment) => (offset + alignment - 1) / alignment * alignment;
}
