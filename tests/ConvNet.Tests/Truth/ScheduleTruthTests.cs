using ConvNet.Serialization;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Truth;

/// <summary>The learning rates of every schedule over hundreds of steps, against PyTorch's.</summary>
[TestFixture]
public sealed class ScheduleTruthTests
{
    public static IEnumerable<TruthCase> Cases => TruthTable.Cases("schedules.json");

    [TestCaseSource(nameof(Cases))]
    public void TheRatesAreThoseOfPyTorch(TruthCase known)
    {
        LearningRateSchedule schedule = ScheduleOf(known);
        double[] rates = known.Values("rates"), metrics = known.Has("metrics") ? known.Values("metrics") : [];
        int perEpoch = known.Json.GetProperty("perEpoch").GetInt32();
        double initial = known.Json.GetProperty("initial").GetDouble();
        double[] got = [.. Enumerable.Range(0, rates.Length).Select(step => schedule.Rate(initial,
            new SchedulePoint(step, rates.Length, perEpoch)
            {
                Results = [.. metrics.Take(step / perEpoch).Select(metric => schedule.Metric == EpochMetric.Loss
                    ? new EpochResult(metric, null) : new EpochResult(double.NaN, metric))],
            }))];
        TruthTable.AssertAgree(got, rates, "rates");
    }

    [Test]
    public void EveryScheduleHasACase()
        => Assert.That(Cases.Select(known => ScheduleOf(known).Declaration?.Kind).OfType<string>().Distinct(),
            Is.EquivalentTo(LearningRateSchedule.BuiltIn.Declarations.Select(declared => declared.Kind)
                .Where(kind => kind != "constant")));

    private static LearningRateSchedule ScheduleOf(TruthCase known)
        => ScheduleJson.Read(new JsonReader(known.Json.GetProperty("schedule"), known.Name),
            LearningRateSchedule.BuiltIn);
}
