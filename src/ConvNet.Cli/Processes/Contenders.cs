using ConvNet.Backends;
using ConvNet.Measurement;
using ConvNet.Measurement.Workers;

namespace ConvNet.Cli;

/// <summary>Everything that <c>bench</c> and <c>compare</c> can measure: the backends, and peer programs that do the
/// same work with other libraries.</summary>
internal static class Contenders
{
    /// <summary>The environment variable for the folder of the peer programs. The default is build/peers in the
    /// repository that contains this program.</summary>
    private const string FolderVariable = "CONVNET_PEERS";

    /// <summary>The hidden verb that serves a worker.</summary>
    public const string WorkerWord = "worker";

    private static readonly string[] Backends = [.. BackendRegistry.Measured.Select(backend => backend.Name)],
        Peers = ["onednn", "libtorch"];

    /// <summary>All names, for help texts and errors.</summary>
    public static string Names => string.Join(", ", Backends.Concat(Peers));

    /// <summary>Selects every algorithm in turn.</summary>
    public const string EveryAlgorithm = "all";

    /// <summary>The values of <c>--algorithm</c>.</summary>
    public static IReadOnlyList<string> Algorithms { get; } = [AlgorithmNames.Auto, .. AlgorithmNames.All,
        EveryAlgorithm];

    /// <summary>Returns the backend, or native once for each algorithm if all algorithms are requested.</summary>
    public static IEnumerable<string> WithAlgorithms(string name, string algorithm)
        => name == BackendRegistry.Default && algorithm == EveryAlgorithm
            ? AlgorithmNames.All.Select(each => $"{name}:{each}") : [name];

    /// <summary>Returns the name if it can be measured.</summary>
    /// <exception cref="ArgumentException">The name is unknown, or a peer program has not been built.</exception>
    public static string Checked(string name)
    {
        if (name == BackendRegistry.Auto)
            throw new ArgumentException($"{name} selects a backend, but a measurement needs explicit names. Use one of "
                + $"{Names}.");
        if (!Backends.Contains(name) && !Peers.Contains(name))
            throw NearMisses.NoSuch("backend to measure", name, Backends.Concat(Peers));
        if (Peers.Contains(name) && !File.Exists(ProgramOf(name)))
            throw new ArgumentException($"The peer program {name} has not been built: {ProgramOf(name)} does not "
                + "exist. Run eng/setup peers to install its dependencies and build it.");
        return name;
    }

    /// <summary>Starts a worker.</summary>
    /// <param name="name">The name.</param>
    /// <param name="cancellation">Ends the worker at once.</param>
    public static IWorker Start(string name, CancellationToken cancellation)
        => new WorkerProcess(name, Peers.Contains(name) ? [ProgramOf(name)]
            : OwnProgram.CommandFor(WorkerWord, name), cancellation);

    private static string ProgramOf(string name)
        => Path.Combine(Folder, OperatingSystem.IsWindows() ? $"{name}.exe" : name);

    private static string Folder => Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } chosen
        ? chosen
        : Path.Combine(SourceTree.Root ?? AppContext.BaseDirectory, "build", "peers");
}
