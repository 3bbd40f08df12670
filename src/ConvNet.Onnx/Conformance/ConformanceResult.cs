namespace ConvNet.Onnx;

/// <summary>The result of a case.</summary>
/// <param name="Case">The case.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Reasons">Why it is unsupported: operators with reasons.</param>
/// <param name="Failure">Why it failed; null if it did not.</param>
/// <param name="IsFolded">Whether it passed with all its inputs as constants.</param>
internal sealed record ConformanceResult(ConformanceCase Case, ConformanceOutcome Outcome,
    IReadOnlyList<(string Operator, string Reason)> Reasons, string? Failure = null,
    bool IsFolded = false);
