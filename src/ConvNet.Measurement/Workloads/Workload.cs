using ConvNet.Profiling;

namespace ConvNet.Measurement;

/// <summary>What is timed: a call that computes the same again and again, with its data in place.</summary>
public abstract class Workload : IDisposable
{
    /// <summary>Floating-point operations of a call, two for each multiply-add.</summary>
    public abstract double Operations { get; }

    /// <summary>Samples of a call.</summary>
    public abstract int Images { get; }

    /// <summary>How it is computed, as <c>direct</c>; <c>auto</c> where a library decides by itself.</summary>
    public abstract string Algorithm { get; }

    /// <summary>What <c>auto</c> takes where there is a choice; else null.</summary>
    public virtual string? Auto => null;

    /// <summary>The time that compiling took, in milliseconds; 0 where nothing is compiled.</summary>
    public virtual double CompileMs => 0;

    /// <summary>Computes once.</summary>
    public abstract void Run();

    /// <summary>Computes for a while, a few times at least, and tells where the time went.</summary>
    /// <param name="milliseconds">How long.</param>
    /// <param name="spans">Calls of which it is also told when each part ran.</param>
    /// <exception cref="NotSupportedException">What computes does not tell.</exception>
    public virtual NetworkProfile Profile(double milliseconds, int spans)
        => throw new NotSupportedException("A pass of a layer is one piece of work; a profile is of a network.");

    /// <summary>Frees what it holds.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc cref="Dispose()"/>
    protected abstract void Dispose(bool disposing);
}
