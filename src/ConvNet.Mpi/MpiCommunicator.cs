using System.Runtime.InteropServices;
using ConvNet.Mpi.Interop;
using ConvNet.Mpi.Operations;
using ConvNet.Mpi.Watching;

namespace ConvNet.Mpi;

/// <summary>The processes that <c>mpirun</c> or <c>srun</c> has started together, connected by MPI.</summary>
/// <remarks>
/// One thread of the communicator makes all calls of MPI, so that MPI_THREAD_FUNNELED is enough, which every MPI
/// library has. It starts the operations, completes them beside the program, and watches the other ranks. A process
/// that was started alone is the only rank. MPI can be opened once in a process.
/// </remarks>
public sealed class MpiCommunicator : ICommunicator
{
    // A count of bytes that MPI takes, also for the parts of all ranks.
    private const int MostValues = 1 << 26;

    private static int s_isOpen;

    private readonly MpiThread _thread;
    private TimeSpan _patience = WatchTimes.Usual.Patience;

    private MpiCommunicator(MpiThread thread) => _thread = thread;

    /// <inheritdoc/>
    public int Rank => _thread.Rank;

    /// <inheritdoc/>
    public int Ranks => _thread.Processes.Count;

    /// <summary>The name and version of the MPI library.</summary>
    /// <exception cref="MpiUnavailableException">MPI, or the library that binds it, is missing.</exception>
    /// <exception cref="MpiException">MPI has failed.</exception>
    public static unsafe string Version
    {
        get
        {
            const int Most = 1024;
            byte* text = stackalloc byte[Most];
            MpiLibraryFile.Load();
            ConvnetMpi.cn_mpi_library_text(text, Most).ThrowIfFailed();
            return Marshal.PtrToStringUTF8((nint)text)!.Split('\n', ',')[0].Trim();
        }
    }

    /// <summary>The number of processors of this machine that are this rank's share: those that its process may use,
    /// divided by the number of ranks that may use the same.</summary>
    public int ProcessorShare
    {
        get
        {
            RankProcess own = _thread.Processes[Rank];
            int sharing = _thread.Processes.Count(other => other.Machine == own.Machine
                && other.Processors == own.Processors);
            return Math.Max(1, Environment.ProcessorCount / sharing);
        }
    }

    /// <summary>The least <see cref="Patience"/>: a second.</summary>
    public static TimeSpan LeastPatience { get; } = TimeSpan.FromSeconds(1);

    /// <summary>The time for which this rank waits for one that runs, but does not come to where it is. It must be
    /// longer than the slowest that a rank does alone between two operations, such as a checkpoint of rank 0. The
    /// default is 10 minutes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The time is less than <see cref="LeastPatience"/>.</exception>
    public TimeSpan Patience
    {
        get => _patience;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, LeastPatience);
            _patience = value;
            _thread.WaitFor(value);
        }
    }

    /// <summary>Joins the processes of the launcher.</summary>
    /// <param name="options">The options; null for the defaults.</param>
    /// <exception cref="MpiUnavailableException">MPI, or the library that binds it, is missing.</exception>
    /// <exception cref="MpiException">MPI has failed.</exception>
    /// <exception cref="InvalidOperationException">This process has opened MPI before.</exception>
    public static MpiCommunicator Open(MpiOptions? options = null)
    {
        MpiLibraryFile.Load();
        if (Interlocked.Exchange(ref s_isOpen, 1) != 0)
            throw new InvalidOperationException("MPI can be opened once in a process. Use one communicator for "
                + "everything.");
        return new MpiCommunicator(MpiThread.Start(options ?? new MpiOptions()));
    }

    /// <inheritdoc/>
    public ICollective StartSum(Memory<float> values, bool inRankOrder)
    {
        if (values.Length <= MostValues)
            return _thread.Run(inRankOrder ? new OrderedSum(values, Ranks) : new FastSum(values));
        var parts = new List<ICollective>();
        for (int start = 0; start < values.Length; start += MostValues)
            parts.Add(StartSum(values.Slice(start, Math.Min(MostValues, values.Length - start)), inRankOrder));
        return new SumOfParts(parts);
    }

    /// <inheritdoc/>
    public ICollective StartGather(ReadOnlyMemory<byte> own, Memory<byte> all)
    {
        LocalCommunicator.CheckGather(own.Length, all.Length, Ranks);
        return _thread.Run(new Gathering(own, all));
    }

    /// <inheritdoc/>
    public ICollective StartBroadcast(Memory<byte> bytes, int root)
    {
        LocalCommunicator.CheckRoot(root, Ranks);
        return _thread.Run(new Broadcasting(bytes, root));
    }

    /// <inheritdoc/>
    public void Fail(string reason) => _thread.Give(reason);

    /// <summary>Ends the processes of all ranks, without regard to what they are doing.</summary>
    /// <param name="exitCode">The exit code.</param>
    public void Abort(int exitCode) => _thread.Abort(exitCode);

    /// <summary>Leaves the other ranks, and waits until all have left or a rank has failed. Those that wait for this
    /// one in a collective fail.</summary>
    public void Dispose() => _thread.Dispose();
}
