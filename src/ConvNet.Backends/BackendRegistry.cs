using System.Runtime.Intrinsics;
using ConvNet.GradientChecking;
using ConvNet.Native.Interop;

namespace ConvNet.Backends;

/// <summary>All backends. The command-line tool, the benchmarks and the tests use this list.</summary>
public static class BackendRegistry
{
    /// <summary>The default backend.</summary>
    public const string Default = "native";

    /// <summary>The name that selects the fastest backend that can run and passes its self-test.</summary>
    public const string Auto = "auto";

    private const string Managed = "managed", Torch = "torchsharp";

    /// <summary>The backends, in the order used by lists and tables.</summary>
    public static IReadOnlyList<BackendFamily> Families { get; } =
    [
        new(Managed, options => new ManagedBackend(options.Threads)) { IsProfiled = true },
        new(Default, options => new NativeBackend(options.Threads, options.Isa, options.Precision)
        {
            Algorithm = options.Algorithm,
        })
        {
            IsProfiled = true,
            Isas = [.. InstructionSets.OfThisArchitecture.Reverse()],
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

    /// <summary>All names, for help texts and error messages.</summary>
    public static string Names => string.Join(", ", All);

    /// <summary>The backends to benchmark: all backends, and the variants that compute differently on every machine.
    /// The reference is last.</summary>
    public static IReadOnlyList<RegisteredBackend> Measured { get; } = [.. ReferenceLast(All
        .Where(backend => backend is { Isa: null, Precision: null, Algorithm: null }))];

    /// <summary>The backends to compare: those of <see cref="Measured"/>, and the native backend with each instruction
    /// set and with <see cref="Precision.Accurate"/>.</summary>
    public static IReadOnlyList<RegisteredBackend> Compared { get; } = [.. ReferenceLast(All
        .Where(backend => backend is { Algorithm: null } and not { Isa: not null, Precision: not null }))];

    /// <summary>The backends, fastest first, as measured in docs/choosing-a-backend.md. Without vector instructions,
    /// torch's own kernels are the fastest.</summary>
    public static IReadOnlyList<string> Ranking => Vector256.IsHardwareAccelerated ? [Default, Torch, Managed]
        : [Torch, Default, Managed];

    /// <summary>The variants whose instruction set this processor supports, without duplicates. A backend with
    /// instruction sets is listed once for each.</summary>
    /// <exception cref="NativeLibraryException">The kernel library is missing or incompatible.</exception>
    public static IEnumerable<RegisteredBackend> OnThisProcessor => All.Where(backend => backend.Isa is { } isa
        ? NativeBackend.SupportedIsas.Contains(isa)
        : backend.Family.Isas.Count == 0);

    /// <summary>Returns every backend with every instruction set and, optionally, the native backend with
    /// <see cref="Precision.Accurate"/>.</summary>
    public static IEnumerable<string> Variants(bool accurate) => All
        .Where(backend => backend is { Algorithm: null, Padding: null }
            && (backend.Isa is not null || backend.Family.Isas.Count == 0) && (accurate || backend.Precision is null))
        .Select(backend => backend.Name);

    /// <summary>Returns the names that force only an instruction set of a backend, best first.</summary>
    public static IEnumerable<string> InstructionSetsOf(string family) => All
        .Where(backend => backend.IsInstructionSet && backend.Family.Name == family).Select(backend => backend.Name);

    /// <summary>The words for the instruction sets of the native backend on processors of this architecture, best
    /// first.</summary>
    public static IEnumerable<string> InstructionSetWords => Families.SelectMany(family => family.Isas)
        .Select(isa => isa.ToString().ToLowerInvariant());

    /// <summary>Returns the backend with a given name, or null if there is none.</summary>
    public static RegisteredBackend? Find(string name) => All.FirstOrDefault(backend => backend.Name == name);

    /// <summary>Returns whether a backend with a given name exists.</summary>
    public static bool Has(string name) => Find(name) is not null;

    /// <summary>Returns the exception for an unknown backend name.</summary>
    /// <param name="name">The name.</param>
    /// <param name="others">Other valid values.</param>
    public static ArgumentException NoSuch(string name, params string[] others)
        => NearMisses.NoSuch("backend", name, [.. others, .. All.Select(backend => backend.Name)]);

    /// <summary>Creates a backend.</summary>
    /// <param name="name">The name.</param>
    /// <param name="threads">The number of threads. Null selects all processors.</param>
    /// <param name="precision">The precision, if the name does not specify one. Only the native backend supports
    /// it.</param>
    /// <exception cref="ArgumentException">No backend has this name.</exception>
    /// <exception cref="Exception">The backend cannot run, and <see cref="IsUnavailable"/> returns true for the
    /// exception. The message states the reason and the remedy.</exception>
    public static IBackend Create(string name, int? threads, Precision precision = Precision.Fast)
        => (Find(name) ?? throw NoSuch(name)).Create(threads, precision);

    /// <summary>Creates a backend with options that names cannot express.</summary>
    /// <param name="family">The name of the backend, without variant.</param>
    /// <param name="options">The options.</param>
    /// <inheritdoc cref="Create(string, int?, Precision)" path="/exception"/>
    public static IBackend Create(string family, BackendOptions options)
        => (Families.FirstOrDefault(known => known.Name == family) ?? throw NoSuch(family)).Make(options);

    /// <summary>Creates and tests a backend. The name <see cref="Auto"/> selects the first backend of
    /// <see cref="Ranking"/> that passes its self-test.</summary>
    /// <param name="name">The name.</param>
    /// <param name="threads">The number of threads. Null selects all processors.</param>
    /// <param name="precision">The precision, if the name does not specify one. Only the native backend supports
    /// it.</param>
    /// <param name="cancellation">Cancels the self-test of a backend specified by name.</param>
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

    /// <summary>Returns whether an exception indicates that a backend cannot run because its library or a dependency of
    /// the library is missing.</summary>
    public static bool IsUnavailable(Exception failure) => failure is DllNotFoundException or NotSupportedException;

    private static IEnumerable<RegisteredBackend> ReferenceLast(IEnumerable<RegisteredBackend> backends)
        => backends.OrderBy(backend => backend.Family.Name == Managed);
}
