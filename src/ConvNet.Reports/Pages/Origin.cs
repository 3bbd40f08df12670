using System.Globalization;
using System.Runtime.InteropServices;
using ConvNet.Measurement;

namespace ConvNet.Reports.Pages;

/// <summary>The origin of figures: what is needed to repeat the measurement.</summary>
/// <param name="Command">The command line.</param>
/// <param name="Commit">The source commit.</param>
/// <param name="Time">The time of the measurement.</param>
public sealed record Origin(string Command, string Commit, DateTimeOffset Time)
{
    /// <summary>Lists the machine, facts of the measurement, versions and the command.</summary>
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
