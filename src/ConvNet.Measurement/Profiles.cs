namespace ConvNet.Measurement;

/// <summary>Who can tell where its time goes.</summary>
public static class Profiles
{
    private static readonly string[] Names = ["native", "managed"];

    /// <summary>The backends that tell, for help and errors.</summary>
    public static string Backends => string.Join(" and ", Names);

    /// <summary>Whether a backend, which is no variant of one, tells.</summary>
    public static bool AreOf(string backend) => Names.Contains(backend);

    /// <summary>Throws unless all backends tell where their time goes, before anything is measured.</summary>
    /// <exception cref="ArgumentException">One does not; the message says which do.</exception>
    public static void Check(IEnumerable<string> backends)
    {
        ArgumentNullException.ThrowIfNull(backends);
        if (backends.FirstOrDefault(backend => !Names.Contains(backend.Split(':')[0])) is { } other)
            throw new ArgumentException($"{other} does not tell where its time goes: {Backends} do.");
    }
}
