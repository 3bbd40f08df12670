namespace ConvNet.GradientChecking.Research;

/// <summary>Injects a fault into the results of a real backend, to test whether a check detects it.</summary>
/// <remarks>
/// A result to which the fault does not apply, such as a missing bias, remains correct; see <see cref="Injected"/>. The
/// backend itself computes the faulty values from inputs that are changed accordingly. They are used only where the
/// managed backend gets a different value too, because a difference in rounding alone is not a fault.
/// </remarks>
internal sealed class FaultyBackend : IBackend
{
    private readonly IBackend _inner;
    private readonly Fault _fault;
    private readonly ManagedBackend _plain = new(threads: 1);

    /// <summary>Creates a backend with a fault.</summary>
    /// <param name="inner">The backend. The caller keeps ownership.</param>
    /// <param name="fault">The fault.</param>
    public FaultyBackend(IBackend inner, Fault fault)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(fault);
        (_inner, _fault) = (inner, fault);
    }

    /// <summary>The number of values read since the last forward pass that were changed by the fault.</summary>
    public int Injected { get; internal set; }

    /// <summary>The index of the last changed value in its tensor.</summary>
    public int InjectedAt { get; internal set; }

    /// <inheritdoc/>
    public BackendInfo Info => _inner.Info with { Name = $"{_inner.Info.Name}+{_fault.Kind}" };

    /// <inheritdoc/>
    public IExecutable Compile(Graph graph, TrainingSpec spec)
    {
        IExecutable inner = _inner.Compile(graph, spec);
        var rerun = new Rerun(_inner, _plain, graph, spec);
        return inner is ITraces ? new TracingFaultyExecutable(this, _fault, inner, rerun)
            : new FaultyExecutable(this, _fault, inner, rerun);
    }

    /// <inheritdoc/>
    public IExecutable CompileInference(Graph graph, int batchSize) => _inner.CompileInference(graph, batchSize);

    /// <summary>Releases the managed backend that determines the effect of faults. The wrapped backend belongs to the
    /// caller.</summary>
    public void Dispose() => _plain.Dispose();
}
