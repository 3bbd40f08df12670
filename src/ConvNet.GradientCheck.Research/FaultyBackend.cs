namespace ConvNet.GradientChecking.Research;

/// <summary>A backend with a fault: a real one whose results are spoilt on the way out, to see whether a check finds
/// it.</summary>
/// <remarks>
/// What the fault cannot apply to, as a bias where there is none, stays right; <see cref="Injected"/> tells. What a
/// fault would have computed is computed by the backend itself, from values that were changed accordingly, and taken
/// where plain C# gets something else from them too: a value that only rounds otherwise is not a fault.
/// </remarks>
public sealed class FaultyBackend : IBackend
{
    private readonly IBackend _inner;
    private readonly Fault _fault;
    private readonly ManagedBackend _plain = new(threads: 1);

    /// <summary>Puts a fault into a backend.</summary>
    /// <param name="inner">The backend; it stays the caller's.</param>
    /// <param name="fault">The fault.</param>
    public FaultyBackend(IBackend inner, Fault fault)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(fault);
        (_inner, _fault) = (inner, fault);
    }

    /// <summary>How many values that were read since the last forward pass came out otherwise than the backend computed
    /// them.</summary>
    public int Injected { get; internal set; }

    /// <summary>Where the last of them stands in its tensor.</summary>
    public int InjectedAt { get; internal set; }

    /// <inheritdoc/>
    public BackendInfo Info => _inner.Info with { Name = $"{_inner.Info.Name}+{_fault.Kind}" };

    /// <inheritdoc/>
    public IExecutable Compile(Graph graph, TrainingSpec spec)
        => new FaultyExecutable(this, _fault, _inner.Compile(graph, spec), new Rerun(_inner, _plain, graph, spec));

    /// <inheritdoc/>
    public IExecutable CompileInference(Graph graph, int batchSize) => _inner.CompileInference(graph, batchSize);

    /// <summary>Lets go of what computes the faults; the backend belongs to the caller.</summary>
    public void Dispose() => _plain.Dispose();
}
