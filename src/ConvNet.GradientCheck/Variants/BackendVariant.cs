using System.Runtime.InteropServices;

namespace ConvNet.GradientChecking;

/// <summary>A named backend that runs with several thread counts, all of which must give the same bits.</summary>
/// <remarks>
/// Every check of the variant runs with each thread count and compares every result it reads, bit for bit, with that of
/// the first. Reports contain one tensor <c>threads</c> for all results that are equal, and one for each result that
/// differs.
/// </remarks>
public sealed class BackendVariant : IBackend
{
    private readonly IBackend[] _backends;
    private readonly List<TensorReport> _differences = [];
    private long _equal;

    /// <summary>Creates a variant.</summary>
    /// <param name="name">The name used in reports.</param>
    /// <param name="backends">The backend, once for each thread count. The variant takes ownership.</param>
    /// <exception cref="ArgumentNullException"><paramref name="backends"/> is null.</exception>
    /// <exception cref="ArgumentException">There is no backend.</exception>
    public BackendVariant(string name, params IReadOnlyList<IBackend> backends)
    {
        ArgumentNullException.ThrowIfNull(backends);
        if (backends.Count == 0)
            throw new ArgumentException($"The variant {name} has no backend. Pass one for each thread count.",
                nameof(backends));
        (Name, _backends) = (name, [.. backends]);
    }

    /// <summary>The name used in reports.</summary>
    public string Name { get; }

    /// <summary>The information of the first backend.</summary>
    public BackendInfo Info => _backends[0].Info;

    /// <summary>The thread counts.</summary>
    public IEnumerable<int> Threads => _backends.Select(backend => backend.Info.Threads);

    /// <summary>The backend whose results are reported.</summary>
    internal IBackend First => _backends[0];

    /// <inheritdoc/>
    public IExecutable Compile(Graph graph, TrainingSpec spec) => Together(backend => backend.Compile(graph, spec));

    /// <inheritdoc/>
    public IExecutable CompileInference(Graph graph, int batchSize)
        => Together(backend => backend.CompileInference(graph, batchSize));

    /// <inheritdoc/>
    public void Dispose() => Array.ForEach(_backends, backend => backend.Dispose());

    /// <summary>Returns the name of a backend used in reports.</summary>
    internal static string NameOf(IBackend backend) => backend is BackendVariant variant ? variant.Name
        : $"{backend.Info.Name}/{backend.Info.Isa}";

    /// <summary>Adds the comparisons between thread counts to the report of a backend.</summary>
    internal static LayerReport Completed(LayerReport report, IBackend backend) => backend is BackendVariant variant
        ? report with { Tensors = [.. report.Tensors, .. variant.TakeComparisons()] }
        : report;

    /// <summary>Compares the result of the thread count at index <paramref name="index"/> with that of the
    /// first.</summary>
    internal void Compare(string tensor, int index, ReadOnlySpan<float> first, ReadOnlySpan<float> got)
    {
        ReadOnlySpan<int> expected = MemoryMarshal.Cast<float, int>(first), bits = MemoryMarshal.Cast<float, int>(got);
        int at = expected.CommonPrefixLength(bits), different = 0;
        if (at == bits.Length)
        {
            _equal += bits.Length;
            return;
        }
        for (int i = at; i < bits.Length; i++)
            different += bits[i] != expected[i] ? 1 : 0;
        _differences.Add(new TensorReport($"{tensor}, {Count(index)}", bits.Length, double.PositiveInfinity,
            Comparison.Ulps(got[at], first[at]), at, got[at], first[at], different, 0)
        {
            Against = $"with {Count(0)}",
        });
    }

    /// <summary>Returns the comparisons made since the last call.</summary>
    internal IEnumerable<TensorReport> TakeComparisons()
    {
        TensorReport[] taken = _equal == 0
            ? [.. _differences]
            : [.. _differences, new TensorReport("threads", (int)Math.Min(_equal, int.MaxValue), 0, 0, 0, 0, 0, 0,
                0) { Against = "with another number of threads" }];
        _differences.Clear();
        _equal = 0;
        return taken;
    }

    private IExecutable Together(Func<IBackend, IExecutable> compile)
    {
        IExecutable[] executables = Array.ConvertAll(_backends, backend => compile(backend));
        return executables.Length == 1 ? executables[0]
            : executables.All(each => each is ITraces) ? new TracingVariantExecutable(this, executables)
            : new VariantExecutable(this, executables);
    }

    private string Count(int index) => _backends[index].Info.Threads is var count && count == 1 ? "1 thread"
        : $"{count} threads";
}
