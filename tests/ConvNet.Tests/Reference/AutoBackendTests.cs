using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

public sealed class AutoBackendTests
{
    private static IBackend Missing() => throw new DllNotFoundException("no library of beads");

    [Test]
    public void TheFirstThatRunsAndIsRightIsTakenAndTheOthersSayWhyNot()
    {
        using var inner = new ManagedBackend(1);
        BackendChoice choice = AutoBackend.Choose(
            new("abacus", Missing),
            new("wrong", () => new FaultyBackend(inner, new Fault(FaultKind.SignFlipped, FaultTarget.WeightGradient))),
            new("right", () => new ManagedBackend(1)),
            new("later", () => throw new InvalidOperationException("it is not asked for")));
        using IBackend backend = choice.Backend;
        Assert.Multiple(() =>
        {
            Assert.That(choice.Name, Is.EqualTo("right"));
            Assert.That(backend.Info.Name, Is.EqualTo("managed"));
            Assert.That(choice.Trials.Select(trial => (trial.Name, trial.IsTaken)),
                Is.EqualTo(((string, bool)[])[("abacus", false), ("wrong", false), ("right", true)]));
            Assert.That(choice.Trials[0].Finding, Is.EqualTo("no library of beads"));
            Assert.That(choice.Trials[1].Finding, Does.StartWith("failed its self-test: ").And.Contain("should be"));
            Assert.That(choice.Trials[2].Finding, Does.StartWith("passed its self-test of "));
        });
    }

    [Test]
    public void ABackendThatThrowsWhereItShouldComputeHasFailedItsSelfTest()
    {
        SelfTestResult test = SelfTest.Of(new ThrowingBackend());
        Assert.That((test.Passed, test.Finding), Is
            .EqualTo((false, "failed its self-test: InvalidOperationException: out of beads")));
        BackendChoice choice = AutoBackend.Choose(new("throwing", () => new ThrowingBackend()),
            new("managed", () => new ManagedBackend(1)));
        using IBackend backend = choice.Backend;
        Assert.That((choice.Name, choice.SelfTest.Passed, choice.Trials[0].Finding), Is
            .EqualTo(("managed", true, test.Finding)));
    }

    [Test]
    public void WhereNoneIsRightTheErrorSaysWhyOfEach()
    {
        string message = Assert.Throws<NotSupportedException>(
            () => AutoBackend.Choose(new BackendCandidate("abacus", Missing),
            new BackendCandidate("fingers", Missing)))!.Message;
        Assert.That(message, Does.Contain("abacus: no library of beads").And.Contain("fingers: "));
    }

    [Test]
    public void TheSelfTestPassesOnEveryBackendAndFindsEveryGrossFault(
        [Values(FaultKind.TailDropped, FaultKind.StaleGradient, FaultKind.FactorOfTwo, FaultKind.AllZero,
            FaultKind.SignFlipped)] FaultKind kind,
        [Values(FaultTarget.Output, FaultTarget.InputGradient, FaultTarget.WeightGradient,
            FaultTarget.BiasGradient)] FaultTarget target)
    {
        using var native = new NativeBackend(1);
        SelfTestResult right = SelfTest.Of(native);
        Assert.That(right.Passed, right.Finding);
        var faulty = new FaultyBackend(native, new Fault(kind, target));
        SelfTestResult wrong = SelfTest.Of(faulty);
        Assert.That(wrong.Passed, Is.EqualTo(faulty.Injected == 0), wrong.Finding);
    }

    private sealed class ThrowingBackend : IBackend
    {
        public BackendInfo Info => new("throwing", "1", "beads", 1, null);

        public IExecutable Compile(Graph graph, TrainingSpec spec)
            => throw new InvalidOperationException("out of beads");

        public IExecutable CompileInference(Graph graph, int batchSize)
            => throw new InvalidOperationException("out of beads");

        public void Dispose()
        {
        }
    }
}
