using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>The bounds call nothing wrong that is right: a sample of <c>gradcheck --sweep</c>.</summary>
public sealed class SoundnessTests
{
    private const int Cases = 150, LongSum = 50_000;

    // What sweeps have found: the variance of 50,808 values behind a ReLU, as one running sum.
    private static readonly int[] s_found = [218];

    [Test]
    public void NoBackendIsCalledWrongOnRandomLayers()
    {
        (string Name, IBackend Backend)[] backends =
        [
            .. Backends.All.Select(backend => (backend.Name, backend.Open())),
            ("native accurate", new NativeBackend(precision: Precision.Accurate)),
        ];
        try
        {
            SweepCase[] cases = [.. Enumerable.Range(1, Cases).Concat(s_found)
                .Select(seed => SoundnessSweep.Check((ulong)seed, [.. backends.Select(b => b.Backend)]))];
            Assert.Multiple(() =>
            {
                Assert.That(
                    cases.SelectMany(
                    of => of.Outcomes.Select((outcome, i) => (of.Seed, of.Layer, backends[i].Name, outcome))
                    .Where(o => o.outcome.Verdict != Verdict.Pass)), Is.Empty);
                Assert.That(cases.Count(of => of.Terms > LongSum), Is.GreaterThanOrEqualTo(Cases / 20), "long sums");
                Assert.That(cases.Select(of => of.Kind).Distinct().Count(), Is.GreaterThanOrEqualTo(9),
                    "kinds of layers");
                Assert.That(cases.Count(of => of.Outcomes[0].Findings.Count == 2), Is.GreaterThan(Cases / 2),
                    "cases with an exact mode");
            });
        }
        finally
        {
            Array.ForEach(backends, backend => backend.Backend.Dispose());
        }
    }
}
