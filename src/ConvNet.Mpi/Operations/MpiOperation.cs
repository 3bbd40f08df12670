using System.Buffers;
using System.Diagnostics;
using System.Runtime.InteropServices;
using ConvNet.Mpi.Interop;

namespace ConvNet.Mpi.Operations;

/// <summary>A collective, or several that follow one another, which the thread of the communicator starts and
/// completes.</summary>
internal abstract class MpiOperation : ICollective, IDisposable
{
    private static readonly byte[] s_nothing = GC.AllocateArray<byte>(1, pinned: true);

    private readonly ManualResetEventSlim _done = new();
    private readonly List<MemoryHandle> _pins = [];
    private readonly long _start = Stopwatch.GetTimestamp();
    private Exception? _failure;
    private int _request;

    /// <inheritdoc/>
    public TimeSpan Duration { get; private set; }

    /// <inheritdoc/>
    public void Wait()
    {
        _done.Wait();
        // Each waiter gets an exception with a stack of its own.
        if (_failure is RankFailedException failed)
            throw new RankFailedException(failed.Rank, failed.Message, failed.IsReported);
        if (_failure is not null)
            throw new MpiException(_failure.Message);
    }

    /// <summary>Starts the operation, in the thread of the communicator.</summary>
    public void Begin() => _request = Start();

    /// <summary>Completes the operation if its results are there.</summary>
    /// <returns>Whether it is complete.</returns>
    public bool Poll()
    {
        ConvnetMpi.cn_mpi_test(_request, out int complete).ThrowIfFailed();
        if (complete == 0)
            return false;
        if (Continue() is { } next)
        {
            _request = next;
            return false;
        }
        End();
        return true;
    }

    /// <summary>Ends the operation without results. MPI may still write to its memory, which therefore stays where it
    /// is.</summary>
    public void Fail(Exception failure)
    {
        _failure = failure;
        _done.Set();
    }

    /// <inheritdoc/>
    public void Dispose() => _done.Dispose();

    /// <summary>Starts the first collective.</summary>
    /// <returns>Its request.</returns>
    protected abstract int Start();

    /// <summary>Continues after a collective.</summary>
    /// <returns>The request of the next one; null after the last.</returns>
    protected virtual int? Continue() => null;

    /// <summary>Keeps memory where it is until the operation ends.</summary>
    /// <returns>Its address; that of other memory if it is empty and has none, which MPI refuses.</returns>
    protected unsafe void* Pin<T>(ReadOnlyMemory<T> memory)
    {
        if (memory.IsEmpty)
            return (void*)Marshal.UnsafeAddrOfPinnedArrayElement(s_nothing, 0);
        MemoryHandle handle = memory.Pin();
        _pins.Add(handle);
        return handle.Pointer;
    }

    private void End()
    {
        _pins.ForEach(pin => pin.Dispose());
        _pins.Clear();
        Duration = Stopwatch.GetElapsedTime(_start);
        _done.Set();
    }
}
