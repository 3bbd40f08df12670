using ConvNet.GradientChecking;
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

    public static void AssertPasses(GradientReport report)
    {
        // Exact mode leaves out a layer that is rounded even on integers, and then there may be nothing else.
        Assert.That(report.Checked > 0 || report.Gaps.Count > 0, Is.True, "nothing was compared");
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Pass), report.ToString);
    }
}
