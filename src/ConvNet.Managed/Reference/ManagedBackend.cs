using System.Numerics;

namespace ConvNet;

/// <summary>The reference backend in pure C#, in float and in double. It defines the correct results and runs on every
/// platform that .NET supports.</summary>
public sealed class ManagedBackend : IBackend
{
    private const string NoVectors = "It disables vector instructions of .NET, which makes the loops slower.";

    private static readonly (string Variable, string Effect)[] s_variables =
    [
        ("DOTNET_EnableHWIntrinsic", NoVectors),
        ("DOTNET_EnableAVX*", NoVectors),
        ("DOTNET_TieredPGO", "It affects how well .NET optimises the loops."),
        ("DOTNET_TieredCompilation", "It affects how well .NET optimises the loops, and when."),
        ("DOTNET_ReadyToRun", "It affects how well .NET optimises the loops, and when."),
        ("DOTNET_PROCESSOR_COUNT", BackendLimits.DefaultThreads),
    ];

    private bool _disposed;

    /// <summary>Creates the backend.</summary>
    /// <param name="threads">The number of threads; the default is the number of processors. Results do not depend on
    /// it.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of threads is less than 1.</exception>
    public ManagedBackend(int? threads = null)
    {
        if (threads < 1)
            throw new ArgumentOutOfRangeException(nameof(threads),
                $"The number of threads is {threads}; it must be at least 1.");
        string version = typeof(ManagedBackend).Assembly.GetName().Version!.ToString(3);
        int count = threads ?? Environment.ProcessorCount;
        Info = new BackendInfo("managed", version, $"vector{Vector<byte>.Count * 8}", count, null)
        {
            Option = "managed",
            Limits = [.. BackendLimits.OfThreads(count), .. BackendLimits.OfEnvironment(s_variables)],
        };
    }

    /// <inheritdoc/>
    public BackendInfo Info { get; }

    /// <inheritdoc/>
    public IExecutable Compile(Graph graph, TrainingSpec spec) => Compile<float>(graph, spec);

    /// <inheritdoc/>
    public IExecutable CompileInference(Graph graph, int batchSize)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new ManagedPlan<float>(graph, batchSize, null, Info.Threads, () => _disposed);
    }

    /// <summary>Compiles a graph for training with arithmetic of the given type.</summary>
    /// <typeparam name="T">float, or double for the reference with which other backends are compared.</typeparam>
    /// <exception cref="ArgumentNullException"><paramref name="spec"/> is null.</exception>
    /// <inheritdoc cref="IBackend.Compile" path="/exception"/>
    public ManagedPlan<T> Compile<T>(Graph graph, TrainingSpec spec) where T : unmanaged, IFloatingPointIeee754<T>
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(spec);
        return new ManagedPlan<T>(graph, spec.BatchSize, spec, Info.Threads, () => _disposed);
    }

    /// <summary>Disposes the backend; its executables throw on further calls.</summary>
    public void Dispose() => _disposed = true;
}
