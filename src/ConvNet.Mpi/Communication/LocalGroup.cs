namespace ConvNet.Mpi;

/// <summary>Receives the result of an operation.</summary>
internal interface ILocalWaiter
{
    /// <summary>Called when all ranks have started the operation.</summary>
    void Complete(Array result);
}

/// <summary>What the ranks of one process share.</summary>
internal sealed class LocalGroup(int ranks)
{
    // A monitor, because a Lock cannot be waited for.
    private readonly object _gate = new();
    private readonly Dictionary<int, Operation> _operations = [];
    private readonly HashSet<int> _left = [];
    private RankFailedException? _failure;

    /// <summary>The number of ranks.</summary>
    public int Ranks => ranks;

    /// <summary>Takes the part of a rank in an operation. The last rank combines the parts.</summary>
    /// <param name="number">The number of the operation among those of the rank.</param>
    /// <param name="rank">The rank.</param>
    /// <param name="name">The kind of the operation and its length, which must be the same on each rank.</param>
    /// <param name="part">The part of the rank.</param>
    /// <param name="combine">Computes the result from all parts.</param>
    /// <param name="waiter">Receives the result.</param>
    public void Join(int number, int rank, string name, Array part, Func<IEnumerable<Array>, Array> combine,
        ILocalWaiter waiter)
    {
        lock (_gate)
        {
            ThrowIfFailed();
            if (!_operations.TryGetValue(number, out Operation? operation))
                _operations[number] = operation = new Operation(name, rank, new Array?[ranks], new ILocalWaiter[ranks]);
            if (operation.Name != name)
            {
                FailInside(new RankFailedException(rank, $"Rank {rank} starts {name} where rank {operation.First} "
                    + $"starts {operation.Name}. All ranks make the same calls in the same order."));
                ThrowIfFailed();
            }
            (operation.Parts[rank], operation.Waiters[rank]) = (part, waiter);
            if (operation.Parts.Contains(null))
            {
                FailIfAwaitedHasLeft();
                return;
            }
            Array result = combine(operation.Parts!);
            foreach (ILocalWaiter each in operation.Waiters)
                each.Complete(result);
            _operations.Remove(number);
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits until a condition holds.</summary>
    /// <exception cref="RankFailedException">A rank has failed before.</exception>
    public void Wait(Func<bool> holds)
    {
        lock (_gate)
        {
            while (!holds())
            {
                ThrowIfFailed();
                Monitor.Wait(_gate);
            }
        }
    }

    /// <summary>Ends the waiting of all ranks.</summary>
    public void Fail(RankFailedException failure)
    {
        lock (_gate)
            FailInside(failure);
    }

    /// <summary>Notes that a rank starts no more operations.</summary>
    public void Leave(int rank)
    {
        lock (_gate)
        {
            _left.Add(rank);
            FailIfAwaitedHasLeft();
        }
    }

    private void FailIfAwaitedHasLeft()
    {
        foreach (int rank in _left.Where(rank => _operations.Values.Any(each => each.Parts[rank] is null)))
            FailInside(new RankFailedException(rank, $"Rank {rank} has left, but others wait for it. "
                + "All ranks make the same calls in the same order."));
    }

    private void FailInside(RankFailedException failure)
    {
        _failure ??= failure;
        Monitor.PulseAll(_gate);
    }

    private void ThrowIfFailed()
    {
        if (_failure is not null)
            throw new RankFailedException(_failure.Rank, _failure.Message, _failure.IsReported);
    }

    private sealed record Operation(string Name, int First, Array?[] Parts, ILocalWaiter[] Waiters);
}
