using System.Diagnostics;

namespace ConvNet.Mpi;

/// <summary>Ranks that are threads of one process, without MPI: for tests, and for programs that train on parts of a
/// machine.</summary>
/// <example><code>
/// IReadOnlyList&lt;LocalCommunicator&gt; ranks = LocalCommunicator.Create(2);
/// Parallel.ForEach(ranks, communicator => Train(communicator));      // each rank in a thread of its own
/// </code></example>
public sealed class LocalCommunicator : ICommunicator
{
    private readonly LocalGroup _group;
    private int _next;

    private LocalCommunicator(LocalGroup group, int rank) => (_group, Rank) = (group, rank);

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int Ranks => _group.Ranks;

    /// <summary>Creates the communicators of some ranks.</summary>
    /// <param name="ranks">The number of ranks, from 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no ranks.</exception>
    public static IReadOnlyList<LocalCommunicator> Create(int ranks)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(ranks, 1);
        var group = new LocalGroup(ranks);
        return [.. Enumerable.Range(0, ranks).Select(rank => new LocalCommunicator(group, rank))];
    }

    /// <inheritdoc/>
    public ICollective StartSum(Memory<float> values, bool inRankOrder)
    {
        string name = $"a sum of {values.Length} values";
        return Start(name, values.ToArray(), result => result.CopyTo(values), parts => Add(parts, inRankOrder));
    }

    /// <inheritdoc/>
    public ICollective StartGather(ReadOnlyMemory<byte> own, Memory<byte> all)
    {
        CheckGather(own.Length, all.Length, Ranks);
        return Start($"a gathering of {own.Length} bytes", own.ToArray(), result => result.CopyTo(all),
            parts => [.. parts.SelectMany(part => part)]);
    }

    /// <inheritdoc/>
    public ICollective StartBroadcast(Memory<byte> bytes, int root)
    {
        CheckRoot(root, Ranks);
        return Start($"a broadcast of {bytes.Length} bytes of rank {root}", bytes.ToArray(),
            result => result.CopyTo(bytes), parts => parts[root]);
    }

    /// <inheritdoc/>
    public void Fail(string reason) => _group.Fail(new RankFailedException(Rank, $"Rank {Rank}: {reason}", true));

    /// <summary>Leaves the ranks. Those that wait for this one fail.</summary>
    public void Dispose() => _group.Leave(Rank);

    /// <summary>Throws unless memory has room for the bytes of all ranks.</summary>
    internal static void CheckGather(int own, int all, int ranks)
    {
        if (all != (long)own * ranks)
            throw new ArgumentException($"{all:N0} bytes do not hold those of {ranks} ranks with {own:N0} bytes each. "
                + "Pass as many bytes on each rank, and memory for all of them.", nameof(all));
    }

    /// <summary>Throws unless there is such a rank.</summary>
    internal static void CheckRoot(int root, int ranks)
    {
        if (root < 0 || root >= ranks)
            throw new ArgumentOutOfRangeException(nameof(root),
                $"There is no rank {root}: there are {ranks}, and they count from 0.");
    }

    private LocalCollective<T> Start<T>(string name, T[] own, Action<T[]> copy, Func<T[][], T[]> combine)
    {
        var collective = new LocalCollective<T>(_group, copy);
        _group.Join(_next++, Rank, name, own, parts => combine([.. parts.Cast<T[]>()]), collective);
        return collective;
    }

    // Without the order of the ranks, it is another one, as it may be with MPI.
    private static float[] Add(float[][] parts, bool inRankOrder)
    {
        var sums = new float[parts[0].Length];
        IEnumerable<float[]> ordered = inRankOrder ? parts : parts.Reverse();
        foreach ((int index, float[] part) in ordered.Index())
        {
            for (int i = 0; i < sums.Length; i++)
                sums[i] = index == 0 ? part[i] : sums[i] + part[i];
        }
        return sums;
    }

    private sealed class LocalCollective<T>(LocalGroup group, Action<T[]> copy) : ICollective, ILocalWaiter
    {
        private readonly long _start = Stopwatch.GetTimestamp();
        private T[]? _result;

        public TimeSpan Duration { get; private set; }

        public void Complete(Array result)
        {
            _result = (T[])result;
            Duration = Stopwatch.GetElapsedTime(_start);
        }

        public void Wait()
        {
            group.Wait(() => _result is not null);
            copy(_result!);
        }
    }
}
