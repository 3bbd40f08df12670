namespace ConvNet.Cli;

/// <summary>The backends by name.</summary>
internal static class BackendCatalog
{
    /// <summary>The backend that is used unless another is named.</summary>
    public const string Default = "native";

    private static readonly Dictionary<string, Func<int?, Precision, IBackend>> Makers = ByName();

    /// <summary>All names, for help and errors.</summary>
    public static string Names => string.Join(", ", Makers.Keys);

    /// <summary>The backends, without the names that force an instruction set.</summary>
    public static IEnumerable<string> Families => Makers.Keys.Where(name => !name.Contains(':', StringComparison.Ordinal));

    /// <summary>Makes a backend.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="threads">Threads to use; all processors unless given.</param>
    /// <param name="precision">Whether it may trade accuracy for time; only native can.</param>
    /// <exception cref="ArgumentException">There is no backend of this name.</exception>
    /// <exception cref="Exception">The backend cannot run here, as <see cref="IsUnavailable"/> tells; the message says why and what to do.</exception>
    public static IBackend Create(string name, int? threads, Precision precision = Precision.Fast) => Makers.TryGetValue(name, out Func<int?, Precision, IBackend>? make)
        ? make(threads, precision)
        : throw new ArgumentException($"There is no backend \"{name}\"; there are {Names}.");

    private static Dictionary<string, Func<int?, Precision, IBackend>> ByName()
    {
        var makers = new Dictionary<string, Func<int?, Precision, IBackend>>(StringComparer.Ordinal)
        {
            ["managed"] = (threads, _) => new ManagedBackend(threads),
            ["native"] = (threads, precision) => new NativeBackend(threads, null, precision),
        };
        foreach (NativeIsa isa in Enum.GetValues<NativeIsa>().OrderDescending())
            makers.Add($"native:{isa.ToString().ToLowerInvariant()}", (threads, precision) => new NativeBackend(threads, isa, precision));
        makers.Add("torchsharp", (threads, _) => new TorchSharpBackend(threads));
        return makers;
    }

    /// <summary>Whether a failure says that a backend cannot run here: its library, or what the library needs, is missing.</summary>
    public static bool IsUnavailable(Exception failure) => failure is NativeLibraryException or DllNotFoundException or NotSupportedException;
}
