using System.Globalization;

namespace ConvNet.GradientChecking;

/// <summary>How a report came about, so that it can tell how to get the same again.</summary>
/// <param name="Subject">What was checked, in words.</param>
/// <param name="Options">How.</param>
/// <param name="Case">What was checked, where it is a layer or a graph.</param>
/// <param name="Backends">On what.</param>
internal sealed record CheckOrigin(string Subject, GradientCheckOptions Options, GradientCase? Case,
    IReadOnlyList<CheckedBackend> Backends)
{
    /// <summary>The origin of a check.</summary>
    public static CheckOrigin Of(string subject, GradientCheckOptions options, GradientCase? made,
        IReadOnlyList<IBackend> backends)
        => new(subject, options, made, [.. backends.Select(CheckedBackend.Of)]);

    /// <summary>The command that checks a file of the case on some of the backends; null where the command does not
    /// know one of them.</summary>
    /// <param name="file">The file.</param>
    /// <param name="names">The backends as reports call them.</param>
    public string? Command(string file, IReadOnlyCollection<string> names)
    {
        CheckedBackend[] wanted = [.. Backends.Where(backend => names.Contains(backend.Name))];
        // The reference, which finite differences contradict, is there on any backend.
        if (wanted.Length == 0)
            return $"convnet gradcheck {GradientCaseFile.OptionFor(file)} --backends managed";
        return wanted.Any(backend => backend.Option is null)
            ? null
            : $"convnet gradcheck {GradientCaseFile.OptionFor(file)} --backends "
                + $"{string.Join(',', wanted.Select(backend => backend.Option).Distinct())} "
                + $"--threads {string.Join(',', wanted.SelectMany(backend => backend.Threads).Distinct())}";
    }

    /// <summary>The call that does the same, in words.</summary>
    /// <param name="names">The backends as reports call them.</param>
    public string Call(IReadOnlyCollection<string> names) => string.Create(CultureInfo.InvariantCulture,
        $"GradientCheck.Run of {Subject} on {string.Join(", ", names)} with {Options}");
}

/// <summary>A backend of a check.</summary>
/// <param name="Name">What reports call it.</param>
/// <param name="Option">What the command calls it; null where it does not know it.</param>
/// <param name="Threads">Its numbers of threads.</param>
internal sealed record CheckedBackend(string Name, string? Option, IReadOnlyList<int> Threads)
{
    /// <summary>A backend.</summary>
    public static CheckedBackend Of(IBackend backend) => new(BackendVariant.NameOf(backend), backend.Info.Option,
        backend is BackendVariant variant ? [.. variant.Threads] : [backend.Info.Threads]);
}
