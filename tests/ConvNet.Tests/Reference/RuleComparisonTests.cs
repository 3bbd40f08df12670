using ConvNet.GradientChecking.Research;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

public sealed class RuleComparisonTests
{
    private static readonly IReadOnlyList<RuleRow> s_rows = RuleComparison.Run([new ManagedBackend()], [512, 1_152],
        trials: 2, seed: 1);

    [Test]
    public void ExactModeCatchesEverythingAndCallsNothingRightWrong()
    {
        RuleRow[] right = RowsOf("exact mode", right: true), wrong = RowsOf("exact mode", right: false);
        Assert.Multiple(() =>
        {
            Assert.That(right, Has.Length.EqualTo(2 * 7));
            Assert.That(right.Where(row => row.Alarms > 0), Is.Empty);
            Assert.That(wrong, Has.Length.GreaterThan(60));
            Assert.That(wrong.Where(row => row.Alarms < row.Results), Is.Empty);
        });
    }

    [Test]
    public void RealModeCallsNothingRightWrong()
        => Assert.That(RowsOf("real mode", right: true).Select(row => row.Alarms), Is.EqualTo(new int[2 * 7]));

    [Test]
    public void EveryRuleJudgesEveryResultThatItCan() => Assert.That(
        s_rows.Where(row => row.Kind is null).GroupBy(row => row.Rule)
            .ToDictionary(of => of.Key, of => of.Sum(row => row.Results)),
        Is.EquivalentTo(RuleComparison.Rules.ToDictionary(rule => rule,
            rule => rule.StartsWith("finite", StringComparison.Ordinal) ? 2 * 2 * 6 : 2 * 2 * 7)));

    [Test]
    public void CosineSimilarityDoesNotSeeAFactor()
    {
        RuleRow[] doubled =
            [.. s_rows.Where(row => row is { Rule: "cosine similarity above 0.999", Kind: FaultKind.FactorOfTwo })];
        Assert.That(doubled.Sum(row => row.Results), Is.EqualTo(2 * 2 * 7));
        Assert.That(doubled.Sum(row => row.Alarms), Is.Zero);
    }

    private static RuleRow[] RowsOf(string rule, bool right)
        => [.. s_rows.Where(row => row.Rule == rule && row.Kind is null == right)];
}
