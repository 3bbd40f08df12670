using ConvNet.GradientChecking;

namespace ConvNet.Cli.Gradcheck;

/// <summary>The result of a gradient check, from which the reports are made.</summary>
/// <param name="Title">What was checked.</param>
/// <param name="Backends">The backends.</param>
/// <param name="Report">The comparisons.</param>
/// <param name="Elapsed">The duration.</param>
/// <param name="Reproduce">The command line that reproduces a failure. Null if there is none.</param>
internal sealed record GradcheckResult(string Title, IReadOnlyList<BackendVariant> Backends, GradientReport Report,
    TimeSpan Elapsed, string? Reproduce)
{
    /// <summary>The file with the reduced case of the failure. Null if there is none.</summary>
    public string? CaseFile { get; init; }

    /// <summary>The self-test result of each backend.</summary>
    public IReadOnlyList<SelfTestResult> SelfTests { get; init; } = [];

    /// <summary>The options of each subject.</summary>
    public IReadOnlyList<GradientCheckOptions> Options { get; init; } = [];
}
