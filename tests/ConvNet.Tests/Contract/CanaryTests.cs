using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>The check is itself checked: faults injected into every backend's results must be found.</summary>
[TestFixtureSource(nameof(Fixtures))]
public sealed class CanaryTests(BackendCase backend)
{
    private const int FewestKinds = 10;

    // A fault is put into what a backend returns, so one instruction set of each stands for all.
    private static IEnumerable<BackendCase> Fixtures => Backends.All.DistinctBy(each => each.Name.Split('/')[0]);

    [TestCaseSource(typeof(Canary), nameof(Canary.Cases))]
    public void EveryKindOfFaultIsCaughtInEveryResult(CanaryCase canary)
    {
        using IBackend opened = backend.Open();
        // The backends differ little in what their faults look like.
        int trials = opened is ManagedBackend ? 2 : 1;
        CanaryReport report = Canary.Run([opened], [canary], new CanaryOptions { Trials = trials });
        Assert.Multiple(() =>
        {
            Assert.That(report.Missed, Is.Empty, "what exact mode let through");
            Assert.That(report.Rows.Where(row => row.Mode == CheckModes.Exact && row.Caught < row.Injected), Is.Empty,
                "exact mode");
            Assert.That(report.Rows.Select(row => row.Kind).Distinct().Count(), Is.GreaterThanOrEqualTo(FewestKinds),
                "kinds that can be wrong here");
            Assert.That(report.Rows.Select(row => row.Target).Distinct(), Is.EquivalentTo(canary.Targets),
                "every result");
            Assert.That(report.Rows.Any(row => row.Mode == CheckModes.Exact),
                Is.EqualTo(!canary.Rounds), "exact mode is there");
            // On values of this size real mode misses none either.
            Assert.That(report.Rows.Where(row => row.Caught < row.Injected), Is.Empty);
        });
    }

    [TestCaseSource(typeof(Canary), nameof(Canary.LongCases))]
    public void InLongSumsExactModeMissesNothing(CanaryCase canary)
    {
        using IBackend opened = backend.Open();
        CanaryReport report = Canary.Run([opened], [canary], new CanaryOptions { Trials = 1 });
        Assert.That(report.Missed, Is.Empty);
        Assert.That(report.Rows.Where(row => row.Mode == CheckModes.Exact).Select(row => row.Target).Distinct(),
            Is.EquivalentTo(canary.Targets), "every result");
    }

    [Test]
    public void OneTermLeftOutAnywhereIsAlwaysCaughtInExactMode([Range(1, 12)] int seed)
    {
        using IBackend opened = backend.Open();
        foreach (FaultTarget target in (FaultTarget[])[FaultTarget.Output, FaultTarget.InputGradient,
            FaultTarget.WeightGradient, FaultTarget.BiasGradient])
        {
            using var faulty = new FaultyBackend(opened, new Fault(FaultKind.TermLeftOut, target, seed));
            GradientReport report = GradientCheck.Run(new Conv2d(9, 3, padding: 1), [new Shape(5, 7, 6)], [faulty],
                Reports.Options(CheckModes.Exact, 4));
            Assert.That(faulty.Injected, Is.EqualTo(1), "one value was spoilt");
            Assert.That(report.Failed, Is.EqualTo(1), $"{target}, seed {seed}: the one element and no other");
        }
    }

    [Test]
    public void AFaultThatComputesTheSameIsNotCounted()
    {
        using IBackend opened = backend.Open();
        // A convolution without biases has none to forget.
        using var faulty = new FaultyBackend(opened, new Fault(FaultKind.BiasMissing, FaultTarget.Output));
        Reports.AssertPasses(GradientCheck.Run(new Conv2d(17, 3, padding: 1, bias: false), [new Shape(16, 8, 8)],
            [faulty], Reports.Options(CheckModes.Exact | CheckModes.Real, 2)));
        Assert.That(faulty.Injected, Is.Zero);
    }
}
