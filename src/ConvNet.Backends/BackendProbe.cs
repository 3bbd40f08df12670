using ConvNet.GradientChecking;

namespace ConvNet.Backends;

/// <summary>The state of a backend on this machine. Also part of the JSON documents of <c>backends</c> and
/// <c>doctor</c>.</summary>
/// <param name="Name">The backend, for example <c>native:avx2</c>.</param>
/// <param name="Available">Whether the backend can run.</param>
/// <param name="Version">The version. Null if the backend cannot run.</param>
/// <param name="Isa">The instruction set.</param>
/// <param name="Precision">The precision, which determines whether less accurate algorithms may be used.</param>
/// <param name="Threads">The number of threads.</param>
/// <param name="Library">The path of the loaded library. Null if there is none.</param>
/// <param name="LibraryBytes">The size of the library file.</param>
/// <param name="Reason">Why the backend cannot run, and the remedy. Null if it can.</param>
/// <param name="SelfTest">The self-test result. Null if the backend cannot run.</param>
/// <param name="Limits">Limitations and workarounds.</param>
public sealed record BackendProbe(string Name, bool Available, string? Version, string? Isa, string? Precision,
    int? Threads, string? Library, long? LibraryBytes, string? Reason, SelfTestResult? SelfTest,
    IReadOnlyList<BackendLimit> Limits)
{
    /// <summary>Probes a backend.</summary>
    /// <param name="name">The name.</param>
    /// <param name="threads">The number of threads. Null selects all processors.</param>
    /// <param name="cancellation">Cancels the self-test.</param>
    public static BackendProbe Of(string name, int? threads, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        try
        {
            using IBackend backend = BackendRegistry.Create(name, threads);
            BackendInfo info = backend.Info;
            long? bytes = info.Library is { } library ? new FileInfo(library).Length : null;
            return new BackendProbe(name, true, info.Version, info.Isa, $"{info.Precision}".ToLowerInvariant(),
                info.Threads, info.Library, bytes, null,
                GradientChecking.SelfTest.Of(backend, cancellation), info.Limits);
        }
        catch (Exception failure) when (BackendRegistry.IsUnavailable(failure))
        {
            return new BackendProbe(name, false, null, null, null, null, null, null, failure.Message, null, []);
        }
    }

    /// <summary>Returns the backend that <c>--backend auto</c> selects, or null if there is none.</summary>
    public static string? Auto(IReadOnlyCollection<BackendProbe> probes)
        => BackendRegistry.Ranking.FirstOrDefault(name
            => probes.Any(probe => probe.Name == name && probe.SelfTest is { Passed: true }));
}
