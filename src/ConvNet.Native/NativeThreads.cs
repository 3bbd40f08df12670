using ConvNet.Native.Interop;

namespace ConvNet;

/// <summary>A pool of threads that one or several native backends share.</summary>
/// <remarks>
/// Backends without a pool of their own share the library's, which exists until the process ends. A pool does not
/// affect results. Its threads are created when a call first needs them. Calls may come from any thread, several at a
/// time, and from a forked child process: a call that finds the threads occupied proceeds with its own. The threads
/// end when the pool has been disposed and all backends and executables that use it have been disposed too.
/// </remarks>
public sealed class NativeThreads : IDisposable
{
    private const int DefaultSpin = -1;

    private static readonly TimeSpan s_longestSpin = TimeSpan.FromSeconds(1);

    private readonly ThreadsHandle _handle;
    private bool _disposed;

    /// <summary>Creates a pool of threads of the library.</summary>
    /// <param name="spin">How long an idle thread polls for work before it sleeps. Null selects 100 µs.
    /// <see cref="TimeSpan.Zero"/> suits processors that are shared with other programs; a longer time suits training
    /// in a loop.</param>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative or longer than a second.</exception>
    /// <exception cref="InsufficientMemoryException">There is not enough memory.</exception>
    /// <exception cref="NativeLibraryException">The kernel library is missing or incompatible.</exception>
    /// <exception cref="NativeCallException">The native library reported an error.</exception>
    public NativeThreads(TimeSpan? spin = null)
    {
        if (spin is { } time && (time < TimeSpan.Zero || time > s_longestSpin))
        {
            throw new ArgumentOutOfRangeException(nameof(spin), $"The spin time is {time}; it must be from 0 to 1 "
                + "second.");
        }
        _handle = ThreadsHandle.Create(spin is { } chosen ? (int)Math.Ceiling(chosen.TotalMicroseconds) : DefaultSpin,
            run: null);
    }

    /// <summary>Creates a pool of threads that the program brings.</summary>
    /// <remarks>
    /// The function may be called by several threads at a time. It must not throw, and must compute every share:
    /// kernels in C cannot end early, so an exception in it, or a share that it leaves out, ends the process with a
    /// message. Every call of it allocates memory.
    /// </remarks>
    /// <example><c>new NativeThreads((count, share) => Parallel.For(0, count, share))</c> runs kernels on the threads
    /// of the .NET thread pool.</example>
    /// <param name="run">Runs shares of work.</param>
    /// <exception cref="ArgumentNullException"><paramref name="run"/> is null.</exception>
    /// <exception cref="InsufficientMemoryException">There is not enough memory.</exception>
    /// <exception cref="NativeLibraryException">The kernel library is missing or incompatible.</exception>
    /// <exception cref="NativeCallException">The native library reported an error.</exception>
    public NativeThreads(ParallelShares run)
    {
        ArgumentNullException.ThrowIfNull(run);
        _handle = ThreadsHandle.Create(DefaultSpin, run);
    }

    /// <summary>Whether the threads have ended.</summary>
    internal bool HaveEnded => _handle.HasBeenReleased;

    /// <summary>Returns a use of the pool, which keeps the threads until it is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The pool has been disposed.</exception>
    internal ThreadsLease Lease()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new ThreadsLease(_handle);
    }

    /// <summary>Disposes the pool. Its threads end at once, or when the last backend or executable that uses them is
    /// disposed.</summary>
    public void Dispose()
    {
        _disposed = true;
        _handle.Dispose();
    }
}
