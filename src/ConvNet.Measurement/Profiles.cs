using ConvNet.Backends;

namespace ConvNet.Measurement;

/// <summary>The backends that support profiling.</summary>
public static class Profiles
{
    private static readonly string[] Names = [.. BackendRegistry.Measured.Select(backend => backend.Family)
        .Where(family => family.IsProfiled).Select(family => family.Name)];

    /// <summary>Their names, for help texts and errors.</summary>
    public static string Backends => string.Join(" and ", Names);

    /// <summary>Whether a backend, named without a variant, supports profiling.</summary>
    public static bool SupportedBy(string backend) => Names.Contains(backend);

    /// <summary>Throws unless all backends support profiling.</summary>
    /// <exception cref="ArgumentException">A backend does not; the message lists those that do.</exception>
    public static void Check(IEnumerable<string> backends)
    {
        ArgumentNullException.ThrowIfNull(backends);
        if (backends.FirstOrDefault(backend => !Names.Contains(backend.Split(':')[0])) is { } other)
            throw new ArgumentException($"{other} does not support profiling; {Backends} do.");
    }
}
