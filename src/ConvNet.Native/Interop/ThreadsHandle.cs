using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ConvNet.Native.Interop;

/// <summary>A cn_threads of the library.</summary>
internal sealed unsafe class ThreadsHandle : SafeHandle
{
    private GCHandle _run;

    /// <summary>Initialises an invalid handle. Use <see cref="Create"/>.</summary>
    public ThreadsHandle() : base(0, ownsHandle: true)
    {
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Whether the threads have ended.</summary>
    public bool HasBeenReleased { get; private set; }

    /// <summary>Creates threads.</summary>
    /// <param name="spinMicroseconds">How long an idle thread polls. −1 selects the default.</param>
    /// <param name="run">Runs shares on threads of the program. Null creates threads of the library.</param>
    /// <exception cref="InsufficientMemoryException">There is not enough memory.</exception>
    /// <exception cref="NativeLibraryException">The kernel library is missing or incompatible.</exception>
    public static ThreadsHandle Create(int spinMicroseconds, ParallelShares? run)
    {
        _ = NativeLibraryFile.Loaded;
        var threads = new ThreadsHandle();
        var options = new cn_threads_options { spin_microseconds = spinMicroseconds };
        if (run is not null)
        {
            threads._run = GCHandle.Alloc(run);
            options.run = &Run;
            options.caller = (void*)GCHandle.ToIntPtr(threads._run);
        }
        int status = Convnet.cn_threads_create(options, out nint created);
        if (status != 0)
            threads.FreeRun();
        if (status == cn_status.CN_NO_MEMORY)
            throw new InsufficientMemoryException("There is not enough memory for a pool of threads.");
        status.ThrowIfFailed(nameof(Convnet.cn_threads_create));
        threads.SetHandle(created);
        return threads;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        int status = Convnet.cn_threads_destroy(handle);
        FreeRun();
        HasBeenReleased = true;
        return status == 0;
    }

    private void FreeRun()
    {
        if (_run.IsAllocated)
            _run.Free();
    }

    // An exception must not pass through frames of C.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Run(void* caller, int count, delegate* unmanaged[Cdecl]<void*, int, void> body, void* state)
    {
        try
        {
            var shares = new Shares(count, body, state);
            ((ParallelShares)GCHandle.FromIntPtr((nint)caller).Target!)(count, shares.Compute);
            shares.CheckAllComputed();
        }
        catch (Exception error)
        {
            Environment.FailFast($"The function that runs {count} shares of a kernel on threads of the program failed: "
                + $"{error.Message}", error);
        }
    }

    /// <summary>The shares of one call.</summary>
    internal sealed class Shares(int count, delegate* unmanaged[Cdecl]<void*, int, void> body, void* state)
    {
        private readonly int[] _computed = new int[count];

        /// <summary>Computes a share.</summary>
        /// <exception cref="ArgumentOutOfRangeException">There is no such share.</exception>
        /// <exception cref="InvalidOperationException">The share has been computed already.</exception>
        public void Compute(int index)
        {
            if ((uint)index >= (uint)count)
                throw new ArgumentOutOfRangeException(nameof(index), $"There is no share {index} of {count}.");
            if (Interlocked.Exchange(ref _computed[index], 1) != 0)
                throw new InvalidOperationException($"Share {index} of {count} must be computed only once.");
            body(state, index);
        }

        /// <summary>Throws if a share has been left out.</summary>
        /// <exception cref="InvalidOperationException">A share has not been computed.</exception>
        public void CheckAllComputed()
        {
            int missing = Array.IndexOf(_computed, 0);
            if (missing >= 0)
                throw new InvalidOperationException($"Share {missing} of {count} has not been computed.");
        }
    }
}

/// <summary>A use of a pool. It keeps the threads until it is disposed or finalized.</summary>
internal sealed class ThreadsLease : SafeHandle
{
    private readonly ThreadsHandle _threads;

    /// <summary>Begins to use threads.</summary>
    /// <exception cref="ObjectDisposedException">The threads have been disposed.</exception>
    public ThreadsLease(ThreadsHandle threads) : base(0, ownsHandle: true)
    {
        _threads = threads;
        bool added = false;
        threads.DangerousAddRef(ref added);
        SetHandle(threads.DangerousGetHandle());
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>The cn_threads.</summary>
    public nint Pool => handle;

    /// <summary>Returns another use of the threads.</summary>
    public ThreadsLease Again() => new(_threads);

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        _threads.DangerousRelease();
        return true;
    }
}
