namespace ConvNet.Cli;

/// <summary>The backends by name.</summary>
internal static class BackendCatalog
{
    /// <summary>The backend that is used unless another is named.</summary>
    public const string Default = "managed";

    private static readonly Dictionary<string, Func<int?, IBackend>> Makers = new(StringComparer.Ordinal)
    {
        ["managed"] = threads => new ManagedBackend(threads),
        ["native"] = threads => new NativeBackend(threads),
    };

    /// <summary>All names, for help and errors.</summary>
    public static string Names => string.Join(", ", Makers.Keys);

    /// <summary>The backends without the variants of one that a name can force.</summary>
    public static IEnumerable<string> Families => Makers.Keys.Where(name => !name.Contains(':', StringComparison.Ordinal));

    /// <summary>Makes a backend.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="threads">Threads to use; all processors unless given.</param>
    /// <exception cref="ArgumentException">There is no backend of this name.</exception>
    /// <exception cref="Exception">The backend cannot run here; the message says why and what to do.</exception>
    public static IBackend Create(string name, int? threads) => Makers.TryGetValue(name, out Func<int?, IBackend>? make)
        ? make(threads)
        : throw new ArgumentException($"There is no backend \"{name}\"; there are {Names}.");
}
