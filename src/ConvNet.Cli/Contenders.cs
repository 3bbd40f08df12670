using ConvNet.Cli.Verbs;
using ConvNet.Measurement.Workers;

namespace ConvNet.Cli;

/// <summary>What <c>bench</c> can measure.</summary>
internal static class Contenders
{
    private static readonly string[] All = ["native", "torchsharp", "managed"];

    /// <summary>All names, for help and errors.</summary>
    public static string Names => string.Join(", ", All);

    /// <summary>The algorithms that <c>--algorithm</c> takes.</summary>
    public static IReadOnlyList<string> Algorithms { get; } = ["auto", "direct"];

    /// <summary>The name, if it is one.</summary>
    /// <exception cref="ArgumentException">It is none.</exception>
    public static string Checked(string name) => All.Contains(name) ? name : throw new ArgumentException($"There is no backend \"{name}\" to measure; there are {Names}.");

    /// <summary>Starts a worker.</summary>
    public static IWorker Start(string name) => new WorkerProcess(name, WorkerVerb.CommandFor(name));
}
