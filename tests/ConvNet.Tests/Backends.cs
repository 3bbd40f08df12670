using ConvNet.Backends;
using ConvNet.Mpi;

namespace ConvNet.Tests;

/// <summary>A backend as the contract tests run it.</summary>
/// <param name="Name">The backend and its variant.</param>
/// <param name="Create">Makes one with the given number of threads.</param>
/// <param name="Deterministic">Whether it promises the same bits on every run and for every number of threads.</param>
public sealed record BackendCase(string Name, Func<int?, IBackend> Create, bool Deterministic = true)
{
    /// <summary>Whether it adds up gradients with other ranks.</summary>
    public bool SharesBatches { get; init; }

    public IBackend Open(int? threads = null) => Create(threads);

    public override string ToString() => Name;
}

/// <summary>Every backend of the registry that the contract holds for.</summary>
public static class Backends
{
    // Without padding torch is wrong on some machines, which is what the padding is for.
    public static IEnumerable<BackendCase> All { get; } = Of(backend
        => backend is { Precision: null, Algorithm: null, Padding: null or ChannelPadding.Always });

    /// <summary>The native backend with every convolution that can take it forced to one algorithm, on every
    /// instruction set.</summary>
    public static IEnumerable<BackendCase> Forced { get; } = Of(backend => backend.Algorithm is not null);

    /// <summary>Every backend with every sum computed directly, so that all small whole numbers are exact.</summary>
    public static IEnumerable<BackendCase> Direct { get; } = Of(backend => backend.Algorithm is null
        && backend.Padding is null or ChannelPadding.Always
        && backend.Precision == (backend.Family.HasPrecision ? Precision.Accurate : null));

    /// <summary>The native backend as the only rank of a training on several.</summary>
    public static IEnumerable<BackendCase> Shared { get; } = [new BackendCase("native/one-rank", threads
        => new DataParallelBackend(BackendRegistry.Create(BackendRegistry.Default, threads),
            LocalCommunicator.Create(1)[0])) { SharesBatches = true }];

    public static IEnumerable<BackendCase> Deterministic => All.Where(backend => backend.Deterministic);

    /// <summary>Opens several backends for a check whose reference takes most of its time.</summary>
    /// <param name="cases">The backends.</param>
    /// <param name="check">The check.</param>
    /// <param name="threads">The number of threads of each; null for its default.</param>
    public static void Use(IEnumerable<BackendCase> cases, Action<IReadOnlyList<IBackend>> check, int? threads = null)
    {
        var opened = new List<IBackend>();
        try
        {
            opened.AddRange(cases.Select(each => each.Open(threads)));
            check(opened);
        }
        finally
        {
            opened.ForEach(backend => backend.Dispose());
        }
    }

    private static BackendCase[] Of(Func<RegisteredBackend, bool> wanted) => [.. BackendRegistry.OnThisProcessor
        .Where(wanted).Select(backend => new BackendCase(NameOf(backend), threads => Parallel(backend.Create(threads)),
            backend.Family.IsDeterministic))];

    // The graphs of the tests are small. Without a threshold, the native kernels run on several threads nevertheless.
    private static IBackend Parallel(IBackend backend)
    {
        if (backend is NativeBackend native)
            native.SerialOperations = 1;
        return backend;
    }

    private static string NameOf(RegisteredBackend backend) => string.Join('/', ((string?[])[backend.Family.Name,
        $"{backend.Isa}", backend.Precision is null ? "" : "accurate", $"{backend.Algorithm}", backend.PaddingWord])
        .Where(part => part is { Length: > 0 }));
}
