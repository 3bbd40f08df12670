using ConvNet.Measurement;
using ConvNet.Measurement.Workers;

namespace ConvNet.Cli;

/// <summary>Starts the workers of measurements: this program for a backend, and peer programs.</summary>
internal static class WorkerPrograms
{
    /// <summary>The environment variable for the folder of the peer programs. The default is build/peers in the
    /// repository that contains this program.</summary>
    private const string FolderVariable = "CONVNET_PEERS";

    /// <summary>The hidden verb that serves a worker.</summary>
    public const string WorkerWord = "worker";

    /// <summary>Starts a worker.</summary>
    /// <param name="name">The name.</param>
    /// <param name="cancellation">Ends the worker at once.</param>
    public static IWorker Start(string name, CancellationToken cancellation)
        => new WorkerProcess(name, IsPeer(name) ? [PeerProgram(name)] : OwnProgram.CommandFor(WorkerWord, name),
            cancellation);

    /// <summary>Throws if a contestant is a peer program that has not been built.</summary>
    /// <exception cref="ArgumentException">The program does not exist.</exception>
    public static void CheckBuilt(string name)
    {
        if (IsPeer(name) && !File.Exists(PeerProgram(name)))
            throw new ArgumentException($"The peer program {name} has not been built: {PeerProgram(name)} does not "
                + "exist. Run eng/setup peers to install its dependencies and build it.");
    }

    private static bool IsPeer(string name) => Contestants.Measured.Peers.Contains(name);

    private static string PeerProgram(string name)
        => Path.Combine(Folder, OperatingSystem.IsWindows() ? $"{name}.exe" : name);

    private static string Folder => Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } chosen
        ? chosen
        : Path.Combine(SourceTree.Root ?? AppContext.BaseDirectory, "build", "peers");
}
