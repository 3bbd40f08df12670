using ConvNet.Cli.Verbs;
using ConvNet.Measurement;
using ConvNet.Measurement.Workers;

namespace ConvNet.Cli;

/// <summary>What <c>bench</c> and <c>compare</c> can measure: the backends, and programs that do the same with other
/// libraries.</summary>
internal static class Contenders
{
    /// <summary>Names the folder of the programs; otherwise they are in build/peers of the repository that the tool was
    /// built in.</summary>
    private const string FolderVariable = "CONVNET_PEERS";

    private static readonly string[] Backends = ["native", "torchsharp", .. TorchVariants.Names, "managed"],
        Peers = ["onednn", "libtorch"];

    /// <summary>All names, for help and errors.</summary>
    public static string Names => string.Join(", ", Backends.Concat(Peers));

    /// <summary>Every algorithm in turn.</summary>
    public const string EveryAlgorithm = "all";

    /// <summary>The algorithms that <c>--algorithm</c> takes.</summary>
    public static IReadOnlyList<string> Algorithms { get; } = [AlgorithmNames.Auto, .. AlgorithmNames.All,
        EveryAlgorithm];

    /// <summary>The backend, or, where every algorithm is wanted, the native one once for each.</summary>
    public static IEnumerable<string> WithAlgorithms(string name, string algorithm)
        => name == BackendCatalog.Default && algorithm == EveryAlgorithm
            ? AlgorithmNames.All.Select(each => $"{name}:{each}") : [name];

    /// <summary>The name, if it can be measured.</summary>
    /// <exception cref="ArgumentException">It is none, or a program that has not been built.</exception>
    public static string Checked(string name)
    {
        if (name == BackendCatalog.Auto)
            throw new ArgumentException($"{name} takes one of the backends, and a measurement says which of them it "
                + $"measures: {Names}.");
        if (!Backends.Contains(name) && !Peers.Contains(name))
            throw NearMisses.NoSuch("backend to measure", name, Backends.Concat(Peers));
        if (Peers.Contains(name) && !File.Exists(ProgramOf(name)))
            throw new ArgumentException($"The program that measures {name} is not built: there is no "
                + $"{ProgramOf(name)}. eng/setup peers installs what it needs and builds it.");
        return name;
    }

    /// <summary>Starts a worker.</summary>
    /// <param name="name">What it measures.</param>
    /// <param name="cancellation">Ends it, whatever it is doing.</param>
    public static IWorker Start(string name, CancellationToken cancellation)
        => new WorkerProcess(name, Peers.Contains(name) ? [ProgramOf(name)]
            : WorkerVerb.CommandFor(name), cancellation);

    private static string ProgramOf(string name)
        => Path.Combine(Folder, OperatingSystem.IsWindows() ? $"{name}.exe" : name);

    private static string Folder => Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } chosen
        ? chosen
        : Path.Combine(SourceTree.Root ?? AppContext.BaseDirectory, "build", "peers");
}
