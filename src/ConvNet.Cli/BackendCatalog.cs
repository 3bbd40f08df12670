using System.Runtime.Intrinsics;
using ConvNet.GradientChecking;
using ConvNet.Measurement;

namespace ConvNet.Cli;

/// <summary>The backends by name.</summary>
internal static class BackendCatalog
{
    /// <summary>The backend that is used unless another is named.</summary>
    public const string Default = "native";

    /// <summary>The name that stands for the fastest backend that can run here and computes right.</summary>
    public const string Auto = "auto";

    /// <summary>The backend of libtorch.</summary>
    public const string Torch = TorchVariants.Backend;

    private const string Accurate = "accurate";

    private static readonly SumAlgorithm[] Winograd = [SumAlgorithm.Winograd2, SumAlgorithm.Winograd4];

    private static readonly Dictionary<string, Func<int?, Precision, IBackend>> Makers = ByName();

    /// <summary>All names, for help and errors.</summary>
    public static string Names => string.Join(", ", Makers.Keys);

    /// <summary>The backends, without the names that force an instruction set or a precision.</summary>
    public static IEnumerable<string> Families
        => Makers.Keys.Where(name => !name.Contains(':', StringComparison.Ordinal));

    /// <summary>Every backend on every instruction set, and native with <see cref="Precision.Accurate"/> besides where
    /// that is wanted.</summary>
    public static IEnumerable<string> Variants(bool accurate)
        => Makers.Keys.Where(name => name is not Default and not $"{Default}:{Accurate}"
            && (accurate || !name.EndsWith($":{Accurate}", StringComparison.Ordinal))
            && !name.StartsWith($"{Torch}:", StringComparison.Ordinal)
            && !Winograd.Any(algorithm => name.EndsWith($":{algorithm.Word()}", StringComparison.Ordinal)));

    /// <summary>The names that force an instruction set of a backend, and nothing else.</summary>
    public static IEnumerable<string> InstructionSetsOf(string family)
        => Enum.GetValues<NativeIsa>().OrderDescending().Select(isa => $"{family}:{isa.ToString().ToLowerInvariant()}")
            .Where(Has);

    /// <summary>Whether there is a backend of a name.</summary>
    public static bool Has(string name) => Makers.ContainsKey(name);

    /// <summary>The error for a name that is none.</summary>
    /// <param name="name">The name.</param>
    /// <param name="others">What else could stand there.</param>
    public static ArgumentException NoSuch(string name, params string[] others)
        => NearMisses.NoSuch("backend", name, [.. others, .. Makers.Keys]);

    /// <summary>Makes a backend.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="threads">Threads to use; all processors unless given.</param>
    /// <param name="precision">Whether it may trade accuracy for time where its name does not say; only native
    /// can.</param>
    /// <exception cref="ArgumentException">There is no backend of this name.</exception>
    /// <exception cref="Exception">The backend cannot run here, as <see cref="IsUnavailable"/> tells; the message says
    /// why and what to do.</exception>
    public static IBackend Create(string name, int? threads, Precision precision = Precision.Fast)
        => Makers.TryGetValue(name, out Func<int?, Precision, IBackend>? make)
        ? make(threads, precision)
        : throw NoSuch(name);

    /// <summary>Makes a backend and tests it, or with the name <see cref="Auto"/> the first of <see cref="Ranking"/>
    /// that passes its self-test.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="threads">Threads to use; all processors unless given.</param>
    /// <param name="precision">Whether it may trade accuracy for time where its name does not say; only native
    /// can.</param>
    /// <param name="cancellation">Ends the test of a backend that was named.</param>
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

    /// <summary>The backends, the fastest first, as docs/choosing-a-backend.md has measured them: without vector
    /// instructions torch's own kernels are ahead.</summary>
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

    /// <summary>Whether a failure says that a backend cannot run here: its library, or what the library needs, is
    /// missing.</summary>
    public static bool IsUnavailable(Exception failure) => failure is DllNotFoundException or NotSupportedException;
}
