using ConvNet.Profiling;

namespace ConvNet.Measurement;

/// <summary>A computation to time. Every call does the same work on the same data.</summary>
internal abstract class Workload : IDisposable
{
    /// <summary>Floating-point operations per call. A multiply-add counts as two.</summary>
    public abstract double Operations { get; }

    /// <summary>Samples per call.</summary>
    public abstract int Images { get; }

    /// <summary>The algorithm, for example <c>direct</c>, or <c>auto</c> if the library decides.</summary>
    public abstract string Algorithm { get; }

    /// <summary>The algorithm that <c>auto</c> selects. Null if there is no choice.</summary>
    public virtual string? Auto => null;

    /// <summary>The compile time in milliseconds; 0 if nothing is compiled.</summary>
    public virtual double CompileMs => 0;

    /// <summary>Runs one call.</summary>
    public abstract void Run();

    /// <summary>Runs several calls and returns the time per layer.</summary>
    /// <param name="milliseconds">The minimum duration in milliseconds.</param>
    /// <param name="spans">The number of calls for which the time span of each layer is recorded.</param>
    /// <exception cref="NotSupportedException">The workload does not support profiling.</exception>
    public virtual NetworkProfile Profile(double milliseconds, int spans)
        => throw new NotSupportedException("Only networks can be profiled; this workload is a single layer pass.");

    /// <summary>Releases all resources.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc cref="Dispose()"/>
    protected abstract void Dispose(bool disposing);
}
