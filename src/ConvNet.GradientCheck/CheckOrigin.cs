using System.Globalization;

namespace ConvNet.GradientChecking;

/// <summary>What a report was made from, so that it can state how to reproduce the check.</summary>
/// <param name="Subject">A description of what was checked.</param>
/// <param name="Options">The options of the check.</param>
/// <param name="Case">The layer, graph or loss that was checked; null if something else was checked.</param>
/// <param name="Backends">The backends that were checked.</param>
internal sealed record CheckOrigin(string Subject, GradientCheckOptions Options, GradientCase? Case,
    IReadOnlyList<CheckedBackend> Backends)
{
    /// <summary>Creates the origin of a check.</summary>
    public static CheckOrigin Of(string subject, GradientCheckOptions options, GradientCase? made,
        IReadOnlyList<IBackend> backends)
        => new(subject, options, made, [.. backends.Select(CheckedBackend.Of)]);

    /// <summary>Returns the command that checks a case file on the named backends; null if the command does not support
    /// one of them.</summary>
    /// <param name="file">The path of the case file.</param>
    /// <param name="names">The names of the backends, as used in reports.</param>
    public string? Command(string file, IReadOnlyCollection<string> names)
    {
        CheckedBackend[] wanted = [.. Backends.Where(backend => names.Contains(backend.Name))];
        // Forward mode checks the reference, which is available with any backend.
        if (wanted.Length == 0)
            return $"convnet gradcheck {GradientCaseFile.OptionFor(file)} --backends managed";
        return wanted.Any(backend => backend.Option is null)
            ? null
            : $"convnet gradcheck {GradientCaseFile.OptionFor(file)} --backends "
                + $"{string.Join(',', wanted.Select(backend => backend.Option).Distinct())} "
                + $"--threads {string.Join(',', wanted.SelectMany(backend => backend.Threads).Distinct())}";
    }

    /// <summary>Describes the call that reproduces the check.</summary>
    /// <param name="names">The names of the backends, as used in reports.</param>
    public string Call(IReadOnlyCollection<string> names) => string.Create(CultureInfo.InvariantCulture,
        $"GradientCheck.Run of {Subject} on {string.Join(", ", names)} with {Options}");
}

/// <summary>A backend that took part in a check.</summary>
/// <param name="Name">The name used in reports.</param>
/// <param name="Option">The name used on the command line; null if the command does not support the backend.</param>
/// <param name="Threads">The thread counts of the backend.</param>
internal sealed record CheckedBackend(string Name, string? Option, IReadOnlyList<int> Threads)
{
    /// <summary>Describes a backend.</summary>
    public static CheckedBackend Of(IBackend backend) => new(BackendVariant.NameOf(backend), backend.Info.Option,
        backend is BackendVariant variant ? [.. variant.Threads] : [backend.Info.Threads]);
}
