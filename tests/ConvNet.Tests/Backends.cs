namespace ConvNet.Tests;

/// <summary>A backend as the contract tests run it.</summary>
/// <param name="Name">The backend and its variant.</param>
/// <param name="Create">Makes one with the given number of threads.</param>
/// <param name="Deterministic">Whether it promises the same bits on every run and for every number of threads.</param>
public sealed record BackendCase(string Name, Func<int?, IBackend> Create, bool Deterministic = true)
{
    public IBackend Open(int? threads = null) => Create(threads);

    public override string ToString() => Name;
}

/// <summary>Every backend that the contract holds for: one line each.</summary>
public static class Backends
{
    public static IEnumerable<BackendCase> All { get; } =
    [
        new("managed", threads => new ManagedBackend(threads)),
        .. NativeBackend.SupportedIsas.Select(
            isa => new BackendCase($"native/{isa}", threads => new NativeBackend(threads, isa))),
        new("torchsharp", threads => new TorchSharpBackend(threads), Deterministic: false),
        new("torchsharp/padded", threads => new TorchSharpBackend(threads, padding: ChannelPadding.Always),
            Deterministic: false),
    ];

    /// <summary>The native backend with every convolution that can take it forced to one algorithm, on every
    /// instruction set.</summary>
    public static IEnumerable<BackendCase> Forced { get; } =
    [
        .. from isa in NativeBackend.SupportedIsas
           from algorithm in (SumAlgorithm[])[SumAlgorithm.Winograd2, SumAlgorithm.Winograd4]
           select new BackendCase($"native/{isa}/{algorithm}",
               threads => new NativeBackend(threads, isa) { Algorithm = algorithm }),
    ];

    /// <summary>The same with every sum computed directly, so that all small whole numbers are exact.</summary>
    public static IEnumerable<BackendCase> Direct { get; } =
    [
        .. All.Where(backend => !backend.Name.StartsWith("native/", StringComparison.Ordinal)),
        .. NativeBackend.SupportedIsas.Select(isa => new BackendCase($"native/{isa}/accurate",
            threads => new NativeBackend(threads, isa, Precision.Accurate))),
    ];

    public static IEnumerable<BackendCase> Deterministic => All.Where(backend => backend.Deterministic);
}
