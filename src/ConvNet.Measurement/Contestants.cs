using ConvNet.Backends;

namespace ConvNet.Measurement;

/// <summary>The names that a kind of measurement accepts: backends with their variants, and peer programs, which do the
/// same work with other libraries.</summary>
public sealed class Contestants
{
    private readonly string _purpose;
    private readonly string[] _listed;
    private readonly Predicate<RegisteredBackend> _accepts;

    private Contestants(string purpose, IReadOnlyList<RegisteredBackend> listed, Predicate<RegisteredBackend> accepts,
        params string[] peers)
    {
        (_purpose, _accepts, Peers) = (purpose, accepts, peers);
        _listed = [.. listed.Select(backend => backend.Name), .. peers];
    }

    /// <summary>What <c>bench</c> can measure.</summary>
    public static Contestants Measured { get; } = new("measure", BackendRegistry.Measured,
        BackendRegistry.Measured.Contains, "onednn", "libtorch");

    /// <summary>What <c>compare</c> can compare.</summary>
    public static Contestants Compared { get; } = new("compare", BackendRegistry.Compared,
        backend => backend.Algorithm is null);

    /// <summary>The peer programs.</summary>
    public IReadOnlyList<string> Peers { get; }

    /// <summary>The names for help texts and error messages. Other combinations of variants may be accepted
    /// too.</summary>
    public string Names => string.Join(", ", _listed);

    /// <summary>Returns a name if the measurement accepts it.</summary>
    /// <exception cref="ArgumentException">The name is unknown, or does not name one backend.</exception>
    public string Checked(string name)
    {
        if (name == BackendRegistry.Auto)
            throw new ArgumentException($"{name} selects a backend, but a measurement needs explicit names. Use one of "
                + $"{Names}.");
        return Peers.Contains(name) || (BackendRegistry.Find(name) is { } backend && _accepts(backend))
            ? name
            : throw NearMisses.NoSuch($"backend to {_purpose}", name, _listed);
    }
}
