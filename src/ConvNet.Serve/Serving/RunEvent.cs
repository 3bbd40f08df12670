using ConvNet.Serve.Runs;

namespace ConvNet.Serve.Serving;

/// <summary>A section of a run that is sent to a page.</summary>
/// <param name="Run">The number of the run, from 0.</param>
/// <param name="Section">The section; null at the end of all runs.</param>
/// <param name="Json">The section as JSON.</param>
internal readonly record struct RunEvent(int Run, RunSection? Section, byte[] Json)
{
    /// <summary>What a page receives last.</summary>
    public static RunEvent End { get; } = new(0, null, "null"u8.ToArray());
}
