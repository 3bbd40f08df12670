using ConvNet.Backends;
using ConvNet.GradientChecking;
using ConvNet.Mpi.Checking;
using Spectre.Console;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The backends of a check, each with all requested thread counts.</summary>
internal sealed class CheckedBackends : IDisposable
{
    /// <summary>Selects every backend, instruction set and precision.</summary>
    public const string All = "all";

    // More threads than most machines of continuous integration have processors, and no divisor of usual sizes.
    private const int Others = 5;

    private readonly List<BackendVariant> _variants = [];
    private readonly List<SelfTestResult> _selfTests = [];

    private readonly int _ranks;

    private CheckedBackends(int ranks) => _ranks = ranks;

    /// <summary>The backends.</summary>
    public IReadOnlyList<BackendVariant> Variants => _variants;

    /// <summary>The self-test result of each backend.</summary>
    public IReadOnlyList<SelfTestResult> SelfTests => _selfTests;

    /// <summary>Opens backends and warns of failed self-tests.</summary>
    /// <param name="names">The names, or <see cref="All"/>. If empty, every backend with every instruction set.
    /// Backends that cannot run on this machine are skipped unless they are named.</param>
    /// <param name="threads">The thread counts. If empty, all processors, and another count if all counts must give the
    /// same results.</param>
    /// <param name="precision">The precision of native backends whose names do not specify one.</param>
    /// <param name="terminal">Receives the skipped backends and the warnings.</param>
    /// <param name="ranks">The number of ranks that share each batch, as threads of this process.</param>
    /// <exception cref="ArgumentException">A backend is unknown or named twice.</exception>
    public static CheckedBackends Open(IReadOnlyList<string> names, IReadOnlyList<int> threads, Precision precision,
        Terminal terminal, int ranks = 1)
    {
        var backends = new CheckedBackends(ranks);
        try
        {
            if (names.Count > 0 && !names.Contains(All))
            {
                if (names.GroupBy(name => name).FirstOrDefault(same => same.Count() > 1) is { } twice)
                    throw new ArgumentException($"--backends contains {twice.Key} twice. Name it once.");
                foreach (string name in names)
                    backends.Open(name, threads, precision, terminal);
            }
            else
            {
                foreach (string name in BackendRegistry.Variants(accurate: names.Count > 0))
                    backends.OpenIfAvailable(name, threads, precision, terminal);
            }
            return backends;
        }
        catch
        {
            backends.Dispose();
            throw;
        }
    }

    /// <summary>Returns the name of a backend on the command line.</summary>
    public static string NameOf(BackendVariant variant) => variant.Name.Split(' ')[0];

    /// <summary>Returns the number of ranks of a backend, as it is written on the command line; null for one.</summary>
    public static string? RanksOf(BackendVariant variant)
        => variant.Name.Split(' ') is [_, _, var ranks, _] ? ranks : null;

    /// <summary>Closes the backends.</summary>
    public void Dispose() => _variants.ForEach(variant => variant.Dispose());

    private void OpenIfAvailable(string name, IReadOnlyList<int> threads, Precision precision, Terminal terminal)
    {
        try
        {
            Open(name, threads, precision, terminal);
        }
        catch (Exception failure) when (BackendRegistry.IsUnavailable(failure))
        {
            terminal.People.WriteLine($"skipping {name}: {failure.Message}");
        }
    }

    // A backend that does not guarantee identical results, as libtorch with one thread count per process, runs with
    // the highest count.
    private void Open(string name, IReadOnlyList<int> threads, Precision precision, Terminal terminal)
    {
        RegisteredBackend known = BackendRegistry.Find(name) ?? throw BackendRegistry.NoSuch(name, All);
        int?[] counts = threads.Count == 0 && _ranks > 1 ? [1]
            : threads.Count == 0 ? known.Family.IsDeterministic ? [null, Others] : [null]
            : !known.Family.IsDeterministic ? [threads.Max()]
            : [.. threads.Distinct().Select(count => (int?)count)];
        IBackend[] backends = [.. counts.Select(count => _ranks == 1 ? known.Create(count, precision)
            : new LocalRanksBackend(_ranks, () => known.Create(count, precision)))];
        // The first runs as in training. The others share even the smallest calls among all their threads.
        foreach (NativeBackend native in backends.Skip(1).OfType<NativeBackend>())
            native.SerialOperations = 1;
        _variants.Add(new BackendVariant(_ranks == 1 ? name : $"{name} on {_ranks} ranks", backends));
        // Neither the thread count nor the ranks change which code runs.
        _selfTests.Add(SelfTest.Of((backends[0] as LocalRanksBackend)?.First ?? backends[0], terminal.Cancellation));
        BackendText.WarnIfWrong(terminal, name, _selfTests[^1]);
    }
}
