using ConvNet.Diagnostics;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>Turns a report into an assertion that says what is wrong where.</summary>
internal static class Reports
{
    /// <summary>The options of every check, with its seed printed.</summary>
    public static GradientCheckOptions Options(CheckModes modes, int batchSize)
    {
        var options = new GradientCheckOptions { Modes = modes, BatchSize = batchSize };
        TestContext.Out.WriteLine($"seed {options.Seed}");
        return options;
    }

    public static void AssertPasses(GradientReport report) => Assert.That(report.Verdict, Is.EqualTo(Verdict.Pass), () => Describe(report));

    public static string Describe(GradientReport report) => string.Join(Environment.NewLine,
        from layer in report.Layers
        from tensor in layer.Tensors
        where tensor.Verdict != Verdict.Pass
        select $"{layer.Backend} {layer.Layer} ({layer.Mode}) {tensor.Name}: {tensor.Failed} wrong and {tensor.Suspects} suspect of {tensor.Elements}, worst at "
            + $"[{tensor.Index}]: {tensor.Got:R} for {tensor.Truth:R} ({tensor.WorstInBounds:G3} bounds, {tensor.WorstInUlps} ulp) {layer.Remark}");
}
