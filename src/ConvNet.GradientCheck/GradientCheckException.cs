namespace ConvNet.GradientChecking;

/// <summary>The exception thrown if a gradient check does not pass. The message states what is wrong, where and by how
/// much, and how to reproduce it.</summary>
public sealed class GradientCheckException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">A description of what is wrong.</param>
    /// <param name="report">The report with all comparisons.</param>
    internal GradientCheckException(string message, GradientReport report) : base(message) => Report = report;

    /// <summary>The report with all comparisons.</summary>
    public GradientReport Report { get; }
}
