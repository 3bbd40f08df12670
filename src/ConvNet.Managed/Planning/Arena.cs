namespace ConvNet.Planning;

/// <summary>A block of memory that is needed between two points of a schedule, both included.</summary>
/// <param name="Length">The length, in any unit that is the same for all blocks.</param>
/// <param name="First">The first point at which it is written.</param>
/// <param name="Last">The last point at which it is read.</param>
internal readonly record struct Lifetime(long Length, int First, int Last)
{
    /// <summary>Whether both blocks are needed at the same point.</summary>
    public bool Overlaps(Lifetime other) => First <= other.Last && other.First <= Last;
}

/// <summary>The offsets of the blocks of a schedule in one arena.</summary>
/// <param name="Offsets">The offset of each block.</param>
/// <param name="Length">The length of the arena.</param>
internal sealed record Arena(long[] Offsets, long Length)
{
    // The time to try the orders grows with the square of the number of blocks.
    private const int MostTried = 2000;

    // No order suits every schedule, and planning takes less than a millisecond, so all are tried and the best is used.
    private static readonly Func<Lifetime, long>[] Orders =
    [
        block => block.Length,
        block => block.Length * (block.Last - block.First + 1),
        block => block.Last - block.First,
        block => -block.First,
        block => block.Last,
    ];

    /// <summary>Assigns offsets to blocks so that those needed at the same time do not overlap. Several orders are
    /// tried, and the shortest arena is used.</summary>
    /// <remarks>If there are thousands of blocks, they are assigned only once, in the order in which they are
    /// needed.</remarks>
    /// <param name="blocks">The blocks.</param>
    /// <param name="alignment">Every offset is a multiple of this.</param>
    public static Arena Plan(IReadOnlyList<Lifetime> blocks, long alignment) => blocks.Count > MostTried
        ? Sweep(blocks, alignment)
        : Orders.SelectMany(order => (Arena[])
            [
                Pack(blocks, order, tight: false, alignment), Pack(blocks, order, tight: true, alignment),
            ])
            .MinBy(arena => arena.Length)!;

    // Assigns offsets in the given order, to each block the lowest free one or that of the tightest gap between the
    // blocks before it.
    private static Arena Pack(IReadOnlyList<Lifetime> blocks, Func<Lifetime, long> order, bool tight, long alignment)
    {
        var offsets = new long[blocks.Count];
        var placed = new List<int>();       // in ascending order of offset
        long length = 0;
        foreach (int block in Enumerable.Range(0, blocks.Count).OrderByDescending(i => order(blocks[i]))
            .ThenByDescending(i => blocks[i].Length))
        {
            long offset = -1, least = long.MaxValue, free = 0;
            foreach (int other in placed.Where(other => blocks[other].Overlaps(blocks[block])))
            {
                long gap = offsets[other] - free;
                if (gap >= blocks[block].Length && gap < least && (tight || offset < 0))
                    (offset, least) = (free, gap);
                free = Math.Max(free, Align(offsets[other] + blocks[other].Length, alignment));
            }
            offsets[block] = offset < 0 ? free : offset;
            int rank = placed.FindIndex(other => offsets[other] > offsets[block]);
            placed.Insert(rank < 0 ? placed.Count : rank, block);
            length = Math.Max(length, offsets[block] + blocks[block].Length);
        }
        return new Arena(offsets, Align(length, alignment));
    }

    // Assigns offsets in the order of time, as an allocator does: to each block the tightest free gap, or the end.
    private static Arena Sweep(IReadOnlyList<Lifetime> blocks, long alignment)
    {
        var offsets = new long[blocks.Count];
        var gaps = new Gaps();
        var ends = new PriorityQueue<int, int>();
        long length = 0;
        IEnumerable<int> all = Enumerable.Range(0, blocks.Count);
        foreach (int block in all.OrderBy(i => blocks[i].First).ThenByDescending(i => blocks[i].Length))
        {
            while (ends.TryPeek(out int ended, out int last) && last < blocks[block].First)
            {
                ends.Dequeue();
                gaps.Add(offsets[ended], Align(blocks[ended].Length, alignment));
            }
            long size = Align(blocks[block].Length, alignment);
            if (gaps.Take(size) is { } offset)
            {
                offsets[block] = offset;
            }
            else
            {
                offsets[block] = gaps.TakeEnd(length) ?? length;
                length = offsets[block] + size;
            }
            ends.Enqueue(block, blocks[block].Last);
        }
        return new Arena(offsets, length);
    }

    /// <summary>The gaps between blocks, ordered by offset and by size.</summary>
    private sealed class Gaps
    {
        private readonly SortedSet<(long Size, long Offset)> _bySize = [];
        private readonly Dictionary<long, long> _sizeAt = [], _startOfEnd = [];

        /// <summary>Adds a gap and merges it with adjacent ones.</summary>
        public void Add(long offset, long size)
        {
            if (_startOfEnd.TryGetValue(offset, out long before))
            {
                size += Remove(before);
                offset = before;
            }
            if (_sizeAt.ContainsKey(offset + size))
                size += Remove(offset + size);
            _bySize.Add((size, offset));
            _sizeAt[offset] = size;
            _startOfEnd[offset + size] = offset;
        }

        /// <summary>Allocates from the smallest gap that is large enough; returns null if there is none.</summary>
        public long? Take(long size)
        {
            (long room, long offset) = _bySize.GetViewBetween((size, 0), (long.MaxValue, long.MaxValue)).Min;
            if (room == 0)
                return null;
            Remove(offset);
            if (room > size)
                Add(offset + size, room - size);
            return offset;
        }

        /// <summary>Removes the gap that ends at an offset and returns its start, or null if there is none.</summary>
        public long? TakeEnd(long end)
        {
            if (!_startOfEnd.TryGetValue(end, out long offset))
                return null;
            Remove(offset);
            return offset;
        }

        private long Remove(long offset)
        {
            _sizeAt.Remove(offset, out long size);
            _startOfEnd.Remove(offset + size);
            _bySize.Remove((size, offset));
            return size;
        }
    }

    private static long Align(long offset, long alignment) => (offset + alignment - 1) / alignment * alignment;
}
