using System.Globalization;
using System.Runtime.InteropServices;
using ConvNet.Measurement;

namespace ConvNet.Reports.Pages;

/// <summary>Where figures come from: what somebody needs who wants to measure them again.</summary>
/// <param name="Command">The command line.</param>
/// <param name="Commit">The commit of the source.</param>
/// <param name="Time">When it was measured.</param>
public sealed record Origin(string Command, string Commit, DateTimeOffset Time)
{
    /// <summary>The machine, then facts of the measurement, then versions and the command.</summary>
    internal Facts With(params IReadOnlyList<Fact> more) => new(
    [
        new Fact("Processor", Machine.Processor),
        new Fact("System", string.Create(CultureInfo.InvariantCulture, $"{RuntimeInformation.OSDescription}, "
            + $"{Environment.ProcessorCount} processors")),
        .. more,
        new Fact("Runtime", RuntimeInformation.FrameworkDescription),
        new Fact("Commit", Commit),
        new Fact("Time", Time.UtcDateTime.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture)),
        new Fact("Command", Command),
    ]);
}
