using System.Runtime.Intrinsics;
using ConvNet.GradientChecking;

namespace ConvNet.Backends;

/// <summary>Every backend: the one list that the tool, the measurements and the tests take them from.</summary>
public static class BackendRegistry
{
    /// <summary>The backend that is used unless another is named.</summary>
    public const string Default = "native";

    /// <summary>The name that stands for the fastest backend that can run here and computes right.</summary>
    public const string Auto = "auto";

    private const string Managed = "managed", Torch = "torchsharp";

    /// <summary>The backends, in the order of lists and tables.</summary>
    public static IReadOnlyList<BackendFamily> Families { get; } =
    [
        new(Managed, options => new ManagedBackend(options.Threads)) { IsProfiled = true },
        new(Default, options => new NativeBackend(options.Threads, options.Isa, options.Precision)
        {
            Algorithm = options.Algorithm,
        })
        {
            IsProfiled = true,
            Isas = [.. Enum.GetValues<NativeIsa>().OrderDescending()],
            HasPrecision = true,
            Algorithms = [SumAlgorithm.Winograd2, SumAlgorithm.Winograd4],
        },
        new(Torch, options => new TorchSharpBackend(options.Threads, padding: options.Padding))
        {
            IsDeterministic = false,
            Paddings = [ChannelPadding.Always, ChannelPadding.Never],
        },
    ];

    /// <summary>The backends with their variants.</summary>
    public static IReadOnlyList<RegisteredBackend> All { get; } = [.. Families.SelectMany(family => family.Variants)];

    /// <summary>All names, for help and errors.</summary>
    public static string Names => string.Join(", ", All);

    /// <summary>What is measured: the backends, and the variants that compute otherwise on every machine; the reference
    /// last.</summary>
    public static IReadOnlyList<RegisteredBackend> Measured { get; } = [.. ReferenceLast(All
        .Where(backend => backend is { Isa: null, Precision: null, Algorithm: null }))];

    /// <summary>What can be compared: the same, and the native backend on each instruction set and with
    /// <see cref="Precision.Accurate"/>.</summary>
    public static IReadOnlyList<RegisteredBackend> Compared { get; } = [.. ReferenceLast(All
        .Where(backend => backend is { Algorithm: null } and not { Isa: not null, Precision: not null }))];

    /// <summary>The backends, the fastest first, as docs/choosing-a-backend.md has measured them: without vector
    /// instructions torch's own kernels are ahead.</summary>
    public static IReadOnlyList<string> Ranking => Vector256.IsHardwareAccelerated ? [Default, Torch, Managed]
        : [Torch, Default, Managed];

    /// <summary>The variants that this processor has an instruction set for, one for every way to compute: a backend
    /// with instruction sets is there once for each.</summary>
    /// <exception cref="NativeLibraryException">The library of kernels is missing or does not fit.</exception>
    public static IEnumerable<RegisteredBackend> OnThisProcessor => All.Where(backend => backend.Isa is { } isa
        ? NativeBackend.SupportedIsas.Contains(isa)
        : backend.Family.Isas.Count == 0);

    /// <summary>Every backend on every instruction set, and native with <see cref="Precision.Accurate"/> besides where
    /// that is wanted.</summary>
    public static IEnumerable<string> Variants(bool accurate) => All
        .Where(backend => backend is { Algorithm: null, Padding: null }
            && (backend.Isa is not null || backend.Family.Isas.Count == 0) && (accurate || backend.Precision is null))
        .Select(backend => backend.Name);

    /// <summary>The names that force an instruction set of a backend, and nothing else, the best first.</summary>
    public static IEnumerable<string> InstructionSetsOf(string family) => All
        .Where(backend => backend.IsInstructionSet && backend.Family.Name == family).Select(backend => backend.Name);

    /// <summary>The backend of a name; null where there is none.</summary>
    public static RegisteredBackend? Find(string name) => All.FirstOrDefault(backend => backend.Name == name);

    /// <summary>Whether there is a backend of a name.</summary>
    public static bool Has(string name) => Find(name) is not null;

    /// <summary>The error for a name that is none.</summary>
    /// <param name="name">The name.</param>
    /// <param name="others">What else could stand there.</param>
    public static ArgumentException NoSuch(string name, params string[] others)
        => NearMisses.NoSuch("backend", name, [.. others, .. All.Select(backend => backend.Name)]);

    /// <summary>Makes a backend.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="threads">Threads to use; all processors unless given.</param>
    /// <param name="precision">Whether it may trade accuracy for time where its name does not say; only native
    /// can.</param>
    /// <exception cref="ArgumentException">There is no backend of this name.</exception>
    /// <exception cref="Exception">The backend cannot run here, as <see cref="IsUnavailable"/> tells; the message says
    /// why and what to do.</exception>
    public static IBackend Create(string name, int? threads, Precision precision = Precision.Fast)
        => (Find(name) ?? throw NoSuch(name)).Create(threads, precision);

    /// <summary>Makes a backend with options that no name may have.</summary>
    /// <param name="family">The backend, without variant.</param>
    /// <param name="options">What it is made with.</param>
    /// <inheritdoc cref="Create(string, int?, Precision)" path="/exception"/>
    public static IBackend Create(string family, BackendOptions options)
        => (Families.FirstOrDefault(known => known.Name == family) ?? throw NoSuch(family)).Make(options);

    /// <summary>Makes a backend and tests it, or with the name <see cref="Auto"/> the first of <see cref="Ranking"/>
    /// that passes its self-test.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="threads">Threads to use; all processors unless given.</param>
    /// <param name="precision">Whether it may trade accuracy for time where its name does not say; only native
    /// can.</param>
    /// <param name="cancellation">Ends the test of a backend that was named.</param>
    /// <inheritdoc cref="Create(string, int?, Precision)" path="/exception"/>
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

    /// <summary>Whether a failure says that a backend cannot run here: its library, or what the library needs, is
    /// missing.</summary>
    public static bool IsUnavailable(Exception failure) => failure is DllNotFoundException or NotSupportedException;

    private static IEnumerable<RegisteredBackend> ReferenceLast(IEnumerable<RegisteredBackend> backends)
        => backends.OrderBy(backend => backend.Family.Name == Managed);
}
