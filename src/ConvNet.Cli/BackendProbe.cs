using ConvNet.GradientChecking;

namespace ConvNet.Cli;

/// <summary>What was found of a backend on this machine. The JSON documents of <c>backends</c> and <c>doctor</c> have
/// it so.</summary>
/// <param name="Name">The backend, as <c>native:avx2</c>.</param>
/// <param name="Available">Whether it can run here.</param>
/// <param name="Version">The version of what computes; null where it cannot run.</param>
/// <param name="Isa">The instruction set.</param>
/// <param name="Precision">Whether it may take less exact algorithms.</param>
/// <param name="Threads">Threads that it uses.</param>
/// <param name="Library">The path of the library that was loaded; null where there is none.</param>
/// <param name="LibraryBytes">The size of that file.</param>
/// <param name="Reason">Why it cannot run, and what to do; null where it can.</param>
/// <param name="SelfTest">What its self-test found; null where it cannot run.</param>
/// <param name="Limits">What limits it, or is worked around.</param>
internal sealed record BackendProbe(string Name, bool Available, string? Version, string? Isa, string? Precision,
    int? Threads, string? Library, long? LibraryBytes, string? Reason, SelfTestResult? SelfTest,
    IReadOnlyList<BackendLimit> Limits)
{
    /// <summary>Looks at a backend.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="threads">Threads to use; all processors unless given.</param>
    /// <param name="cancellation">Ends its self-test.</param>
    public static BackendProbe Of(string name, int? threads, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        try
        {
            using IBackend backend = BackendCatalog.Create(name, threads);
            BackendInfo info = backend.Info;
            long? bytes = info.Library is { } library ? new FileInfo(library).Length : null;
            return new BackendProbe(name, true, info.Version, info.Isa, BackendText.Words(info.Precision), info.Threads,
                info.Library, bytes, null, GradientChecking.SelfTest.Of(backend, cancellation), info.Limits);
        }
        catch (Exception failure) when (BackendCatalog.IsUnavailable(failure))
        {
            return new BackendProbe(name, false, null, null, null, null, null, null, failure.Message, null, []);
        }
    }

    /// <summary>The one of some that <c>--backend auto</c> takes; null for none.</summary>
    public static string? Auto(IReadOnlyCollection<BackendProbe> probes)
        => BackendCatalog.Ranking.FirstOrDefault(name
            => probes.Any(probe => probe.Name == name && probe.SelfTest is { Passed: true }));
}
