namespace ConvNet.GradientChecking;

/// <summary>A gradient check that did not pass; the message says what is wrong where, by how much, and how to get the
/// same again.</summary>
public sealed class GradientCheckException : Exception
{
    /// <summary>Says what is wrong.</summary>
    /// <param name="message">What is wrong.</param>
    /// <param name="report">All comparisons.</param>
    internal GradientCheckException(string message, GradientReport report) : base(message) => Report = report;

    /// <summary>All comparisons.</summary>
    public GradientReport Report { get; }
}
