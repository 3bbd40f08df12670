namespace ConvNet.GradientChecking;

/// <summary>A computation has left what <see cref="RunningError"/> can bound.</summary>
/// <param name="what">What it was.</param>
internal sealed class LostBoundException(string what)
    : Exception($"The error bound is lost at {what}.");
