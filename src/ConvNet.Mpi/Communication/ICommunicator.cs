namespace ConvNet.Mpi;

/// <summary>The ranks that train a network together, and the operations of all of them.</summary>
/// <remarks>
/// All ranks start the same operations in the same order, with the same lengths. An operation runs beside the program.
/// Its memory must not be read or written until <see cref="ICollective.Wait"/> has returned. A communicator serves one
/// thread.
/// </remarks>
public interface ICommunicator : IDisposable
{
    /// <summary>The rank of this process, from 0.</summary>
    int Rank { get; }

    /// <summary>The number of ranks.</summary>
    int Ranks { get; }

    /// <summary>Starts to replace values by their sums over all ranks.</summary>
    /// <param name="values">The values of this rank, as many on each. They receive the sums.</param>
    /// <param name="inRankOrder">Whether they are added in the order of the ranks, so that every run gives the same
    /// bits. Otherwise the order is that of the fastest algorithm.</param>
    /// <exception cref="RankFailedException">A rank has failed.</exception>
    /// <exception cref="ObjectDisposedException">The communicator is disposed.</exception>
    ICollective StartSum(Memory<float> values, bool inRankOrder);

    /// <summary>Starts to send bytes to all ranks, each of which receives those of all.</summary>
    /// <param name="own">The bytes of this rank, as many on each.</param>
    /// <param name="all">Receives the bytes of all ranks in their order.</param>
    /// <exception cref="ArgumentException">The memory for all does not have <see cref="Ranks"/> times the
    /// bytes.</exception>
    /// <exception cref="RankFailedException">A rank has failed.</exception>
    /// <exception cref="ObjectDisposedException">The communicator is disposed.</exception>
    ICollective StartGather(ReadOnlyMemory<byte> own, Memory<byte> all);

    /// <summary>Starts to send the bytes of one rank to all.</summary>
    /// <param name="bytes">The bytes of the root; on the other ranks, receives them.</param>
    /// <param name="root">The rank that sends.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such rank.</exception>
    /// <exception cref="RankFailedException">A rank has failed.</exception>
    /// <exception cref="ObjectDisposedException">The communicator is disposed.</exception>
    ICollective StartBroadcast(Memory<byte> bytes, int root);

    /// <summary>Tells all ranks that this one cannot go on. Their waiting ends with a
    /// <see cref="RankFailedException"/>.</summary>
    /// <param name="reason">The reason, as a sentence.</param>
    void Fail(string reason);
}
