using ConvNet.GradientChecking;
using Spectre.Console;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The backends of a check, each with every number of threads that is wanted.</summary>
internal sealed class CheckedBackends : IDisposable
{
    /// <summary>The word for every backend, instruction set and precision.</summary>
    public const string All = "all";

    private readonly List<BackendVariant> _variants = [];
    private readonly List<SelfTestResult> _selfTests = [];

    private CheckedBackends()
    {
    }

    /// <summary>The backends.</summary>
    public IReadOnlyList<BackendVariant> Variants => _variants;

    /// <summary>What the self-test of each found.</summary>
    public IReadOnlyList<SelfTestResult> SelfTests => _selfTests;

    /// <summary>Opens backends, and warns of those that fail their self-test.</summary>
    /// <param name="names">Their names, or <see cref="All"/>; none for every backend on every instruction set. What
    /// cannot run here is left out unless it is named.</param>
    /// <param name="threads">Numbers of threads; none for all processors.</param>
    /// <param name="precision">Of a native backend whose name does not say.</param>
    /// <param name="terminal">Gets what is left out, and the warnings.</param>
    /// <exception cref="ArgumentException">A backend is unknown or named twice.</exception>
    public static CheckedBackends Open(IReadOnlyList<string> names, IReadOnlyList<int> threads, Precision precision,
        Terminal terminal)
    {
        var backends = new CheckedBackends();
        try
        {
            if (names.Count > 0 && !names.Contains(All))
            {
                if (names.GroupBy(name => name).FirstOrDefault(same => same.Count() > 1) is { } twice)
                    throw new ArgumentException($"--backends names {twice.Key} twice; once is enough.");
                foreach (string name in names)
                    backends.Open(name, threads, precision, terminal);
            }
            else
            {
                foreach (string name in BackendCatalog.Variants(accurate: names.Count > 0))
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

    /// <summary>Ends them.</summary>
    public void Dispose() => _variants.ForEach(variant => variant.Dispose());

    private void OpenIfAvailable(string name, IReadOnlyList<int> threads, Precision precision, Terminal terminal)
    {
        try
        {
            Open(name, threads, precision, terminal);
        }
        catch (Exception failure) when (BackendCatalog.IsUnavailable(failure))
        {
            terminal.People.WriteLine($"without {name}: {failure.Message}");
        }
    }

    // libtorch has one number of threads per process and promises no bits: it runs on the most.
    private void Open(string name, IReadOnlyList<int> threads, Precision precision, Terminal terminal)
    {
        if (!BackendCatalog.Has(name))
            throw BackendCatalog.NoSuch(name, All);
        bool isTorch = name.Split(':')[0] == BackendCatalog.Torch;
        int?[] counts = threads.Count == 0 ? [null]
            : isTorch ? [threads.Max()] : [.. threads.Distinct().Select(count => (int?)count)];
        IBackend[] backends = [.. counts.Select(count => BackendCatalog.Create(name, count, precision))];
        _variants.Add(new BackendVariant(name, backends));
        // With other threads the same code runs.
        _selfTests.Add(SelfTest.Of(backends[0], terminal.Cancellation));
        BackendText.WarnIfWrong(terminal, name, _selfTests[^1]);
    }
}
