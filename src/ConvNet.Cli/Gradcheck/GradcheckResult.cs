using ConvNet.GradientChecking;

namespace ConvNet.Cli.Gradcheck;

/// <summary>A finished check: what the report writers turn into a table, a document or a file.</summary>
/// <param name="Title">What was checked.</param>
/// <param name="Backends">On what.</param>
/// <param name="Report">The comparisons.</param>
/// <param name="Elapsed">How long it took.</param>
/// <param name="Reproduce">The command line that shows a failure again; null where there is none.</param>
internal sealed record GradcheckResult(string Title, IReadOnlyList<BackendVariant> Backends, GradientReport Report,
    TimeSpan Elapsed, string? Reproduce)
{
    /// <summary>The file with the case that the failure was shrunk to; null where there is none.</summary>
    public string? CaseFile { get; init; }

    /// <summary>What the self-test of each backend found.</summary>
    public IReadOnlyList<SelfTestResult> SelfTests { get; init; } = [];
}
