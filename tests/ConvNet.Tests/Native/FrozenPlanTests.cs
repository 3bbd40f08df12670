using ConvNet.Native.Steps;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>What the native backend leaves out for frozen parameters.</summary>
public sealed class FrozenPlanTests
{
    private static readonly Sgd s_optimizer = new(0.9f);

    private NativeBackend _backend = null!;

    [SetUp]
    public void Open() => _backend = new NativeBackend(threads: 1);

    [TearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void TheBackwardPassEndsAboveFrozenLayers([Values] bool beforeCompile)
    {
        using NativePlan plan = Plan(beforeCompile, "conv1.*", "bn1.*", "conv2.*");
        Type[] steps = [.. plan.Training.BackwardSteps.Select(step => step.GetType())];
        Assert.That(steps.Where(step => step != typeof(ReorderStep)),
            Is.EqualTo(new[] { typeof(LinearBackwardWeights) }));
    }

    [Test]
    public void AFrozenLayerAboveOneThatTrainsHasItsDataGradientAlone([Values] bool beforeCompile)
    {
        using NativePlan plan = Plan(beforeCompile, "conv2.*", "linear1.*");
        Type[] steps = [.. plan.Training.BackwardSteps.Select(step => step.GetType())];
        Assert.That(steps, Has.One.EqualTo(typeof(ConvBackwardWeights)), "that of conv1");
        Assert.That(steps, Has.One.EqualTo(typeof(ConvBackwardData)), "that of conv2");
        Assert.That(steps, Has.None.EqualTo(typeof(LinearBackwardWeights)));
    }

    [Test]
    public void WhatIsFrozenFromTheStartTakesNoMemoryForGradientsAndState()
    {
        using NativePlan all = Plan(true, "bn1.bias"), some = Plan(true, "conv?.*");
        PlannedMemory free = all.Explain().Memory, frozen = some.Explain().Memory;
        Assert.That(frozen.Gradients, Is.LessThan(free.Gradients / 2));
        Assert.That(frozen.OptimizerState, Is.LessThan(free.OptimizerState / 2));
        Assert.That(frozen.Values, Is.EqualTo(free.Values));
    }

    [Test]
    public void NothingIsFrozenWhileSomebodyRecords()
    {
        using NativePlan plan = Plan(true, "bn1.bias");
        using (plan.Record())
            Assert.That(() => plan.Freeze("conv1.*"), Throws.InvalidOperationException
                .With.Message.Contains("Dispose"));
        plan.Freeze("conv1.*");
        Assert.That(plan.IsFrozen(plan.Graph["conv1"].Parameters[0]));
    }

    private NativePlan Plan(bool beforeCompile, params string[] frozen)
    {
        Graph graph = Sequential.Of(new Shape(16, 6, 5), new Conv2d(32, 3), new BatchNorm2d(), new Relu(),
            new Conv2d(32, 3), new Relu(), new Flatten(), new Linear(3));
        Optimizer optimizer = beforeCompile
            ? s_optimizer with { Groups = [new(frozen) { Frozen = true }] }
            : s_optimizer;
        var plan = (NativePlan)_backend.Compile(graph, new TrainingSpec(2, new SoftmaxCrossEntropy(), optimizer));
        plan.Initialize(new HeNormal(1));
        if (!beforeCompile)
            plan.Freeze(frozen);
        return plan;
    }
}
