using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Training;

/// <summary>Every schedule of the library, beside its formula written down a second time.</summary>
public sealed class ScheduleTests
{
    private const long Steps = 1_000;
    private const float Initial = 0.3f;

    private static readonly Dictionary<string, Func<long, double>> Formulas = new()
    {
        ["constant"] = _ => Initial,
        // cos² of half the angle.
        ["cosine"] = step => Initial * Math.Pow(Math.Cos(Math.PI / 2 * step / Steps), 2),
    };

    private static readonly IEnumerable<string> Kinds
        = LearningRateSchedule.BuiltIn.Declarations.Select(declaration => declaration.Kind);

    [TestCaseSource(nameof(Kinds))]
    public void EveryRateIsThatOfTheFormula(string kind)
    {
        LearningRateSchedule schedule = LearningRateSchedule.BuiltIn.Make(kind);
        Assert.That(Formulas, Does.ContainKey(kind), "the formula of every schedule is here");
        for (long step = 0; step <= Steps; step++)
        {
            double expected = Formulas[kind](step);
            // One rounding to float32, and a few of the double computation near 0.
            Assert.That(schedule.Rate(Initial, step, Steps),
                Is.EqualTo(expected).Within(expected / (1 << 24) + 1e-15), $"step {step}");
        }
    }
}
