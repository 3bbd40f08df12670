using System.Runtime.Intrinsics;
using ConvNet.GradientChecking;
using ConvNet.Measurement;

namespace ConvNet.Cli;

/// <summary>Creates backends by name.</summary>
internal static class BackendCatalog
{
    /// <summary>The default backend.</summary>
    public const string Default = "native";

    /// <summary>The name that selects the fastest backend that can run on this machine and passes its
    /// self-test.</summary>
    public const string Auto = "auto";

    /// <summary>The name of the libtorch backend.</summary>
    public const string Torch = TorchVariants.Backend;

    private const string Accurate = "accurate";

    private static readonly SumAlgorithm[] Winograd = [SumAlgorithm.Winograd2, SumAlgorithm.Winograd4];

    private static readonly Dictionary<string, Func<int?, Precision, IBackend>> Makers = ByName();

    /// <summary>All names, for help texts and errors.</summary>
    public static string Names => string.Join(", ", Makers.Keys);

    /// <summary>The names of the backends, without those that select an instruction set or precision.</summary>
    public static IEnumerable<string> Families
        => Makers.Keys.Where(name => !name.Contains(':', StringComparison.Ordinal));

    /// <summary>Returns every backend with every instruction set, optionally including native with
    /// <see cref="Precision.Accurate"/>.</summary>
    public static IEnumerable<string> Variants(bool accurate)
        => Makers.Keys.Where(name => name is not Default and not $"{Default}:{Accurate}"
            && (accurate || !name.EndsWith($":{Accurate}", StringComparison.Ordinal))
            && !name.StartsWith($"{Torch}:", StringComparison.Ordinal)
            && !Winograd.Any(algorithm => name.EndsWith($":{algorithm.Word()}", StringComparison.Ordinal)));

    /// <summary>Returns the names that select only an instruction set of a backend.</summary>
    public static IEnumerable<string> InstructionSetsOf(string family)
        => Enum.GetValues<NativeIsa>().OrderDescending().Select(isa => $"{family}:{isa.ToString().ToLowerInvariant()}")
            .Where(Has);

    /// <summary>Whether a backend name is known.</summary>
    public static bool Has(string name) => Makers.ContainsKey(name);

    /// <summary>Creates the error for an unknown name.</summary>
    /// <param name="name">The name.</param>
    /// <param name="others">Other names that are valid in this context.</param>
    public static ArgumentException NoSuch(string name, params string[] others)
        => NearMisses.NoSuch("backend", name, [.. others, .. Makers.Keys]);

    /// <summary>Creates a backend.</summary>
    /// <param name="name">The name.</param>
    /// <param name="threads">The number of threads. Null selects all processors.</param>
    /// <param name="precision">The precision, if the name does not specify one. Only native supports a choice.</param>
    /// <exception cref="ArgumentException">The name is unknown.</exception>
    /// <exception cref="Exception">The backend cannot run on this machine, see <see cref="IsUnavailable"/>; the message
    /// gives the reason and the remedy.</exception>
    public static IBackend Create(string name, int? threads, Precision precision = Precision.Fast)
        => Makers.TryGetValue(name, out Func<int?, Precision, IBackend>? make)
        ? make(threads, precision)
        : throw NoSuch(name);

    /// <summary>Creates a backend and runs its self-test. <see cref="Auto"/> selects the first backend of
    /// <see cref="Ranking"/> that passes.</summary>
    /// <param name="name">The name.</param>
    /// <param name="threads">The number of threads. Null selects all processors.</param>
    /// <param name="precision">The precision, if the name does not specify one. Only native supports a choice.</param>
    /// <param name="cancellation">Cancels the self-test of a named backend.</param>
    /// <inheritdoc cref="Create" path="/exception"/>
    public static BackendChoice Choose(string name, int? threads, Precision precision, CancellationToken cancellation)
    {
        if (name == Auto)
            return AutoBackend.Choose([.. Ranking
                .Select(each => new BackendCandidate(each, () => Create(each, threads, precision)))]);
        if (!Has(name))
            throw NoSuch(name, Auto);
        IBackend backend = Create(name, threads, precision);
        try
        {
            return new BackendChoice(name, backend, SelfTest.Of(backend, cancellation), []);
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }

    /// <summary>The backends from fastest to slowest, as measured in docs/choosing-a-backend.md. Without vector
    /// instructions, the kernels of torch are the fastest.</summary>
    public static IReadOnlyList<string> Ranking => Vector256.IsHardwareAccelerated ? [Default, Torch, "managed"]
        : [Torch, Default, "managed"];

    private static Dictionary<string, Func<int?, Precision, IBackend>> ByName()
    {
        var makers = new Dictionary<string, Func<int?, Precision, IBackend>>(StringComparer.Ordinal)
        {
            ["managed"] = (threads, _) => new ManagedBackend(threads),
        };
        foreach (NativeIsa? isa in Enum.GetValues<NativeIsa>().OrderDescending().Select(isa => (NativeIsa?)isa)
            .Prepend(null))
        {
            string name = isa is null ? Default : $"{Default}:{isa.ToString()!.ToLowerInvariant()}";
            makers.Add(name, (threads, precision) => new NativeBackend(threads, isa, precision));
            makers.Add($"{name}:{Accurate}", (threads, _) => new NativeBackend(threads, isa, Precision.Accurate));
            foreach (SumAlgorithm algorithm in Winograd)
                makers.Add($"{name}:{algorithm.Word()}",
                    (threads, _) => new NativeBackend(threads, isa) { Algorithm = algorithm });
        }
        makers.Add(Torch, (threads, _) => new TorchSharpBackend(threads));
        foreach (string name in TorchVariants.Names)
            makers.Add(name, (threads, _)
                => new TorchSharpBackend(threads, padding: TorchVariants.PaddingOf(TorchVariants.WordOf(name))));
        return makers;
    }

    /// <summary>Whether an exception reports that a backend cannot run on this machine, because its library or a
    /// dependency is missing.</summary>
    public static bool IsUnavailable(Exception failure) => failure is DllNotFoundException or NotSupportedException;
}
