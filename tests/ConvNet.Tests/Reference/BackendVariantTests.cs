using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

public sealed class BackendVariantTests
{
    private static readonly Graph Net = Sequential.Of(new Shape(2, 5, 4), new Conv2d(3, 3, padding: 1), new Relu(),
        new Flatten(), new Linear(3));

    [Test]
    public void ThreadsThatAgreeAreReportedWithWhatWasCompared()
    {
        using var variant = new BackendVariant("mine", new ManagedBackend(1), new ManagedBackend(2),
            new ManagedBackend(5));
        GradientReport report = GradientCheck.Run(Net, [variant]);
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Pass));
        LayerReport[] mine = [.. report.Layers.Where(layer => layer.Backend == "mine")];
        Assert.That(mine.Select(layer => layer.Layer), Is.SupersetOf((string[])["conv1", "relu1", "flatten1",
            "linear1"]));
        foreach (LayerReport layer in mine)
        {
            TensorReport threads = layer.Tensors[^1];
            Assert.That((threads.Name, threads.Failed), Is.EqualTo(("threads", 0)), $"{layer.Layer} {layer.Mode}");
            Assert.That(threads.Elements, Is.GreaterThanOrEqualTo(2 * layer.Tensors[0].Elements));
        }
    }

    [TestCase(FaultTarget.Output, "y, 2 threads")]
    [TestCase(FaultTarget.InputGradient, "dx, 2 threads")]
    [TestCase(FaultTarget.WeightGradient, "gradient of tested.weight, 2 threads")]
    [TestCase(FaultTarget.BiasGradient, "gradient of tested.bias, 2 threads")]
    public void ThreadsThatDisagreeAreWrong(FaultTarget target, string name)
    {
        using var right = new ManagedBackend(2);
        using var variant = new BackendVariant("mine", new ManagedBackend(1),
            new FaultyBackend(right, new Fault(FaultKind.SignFlipped, target)));
        foreach (CheckModes mode in (CheckModes[])[CheckModes.Exact, CheckModes.Real])
        {
            GradientReport report = GradientCheck.Run(new Conv2d(3, 3, padding: 1), [new Shape(2, 5, 4)], [variant],
                new GradientCheckOptions { Modes = mode });
            TensorReport[] wrong = [.. report.Layers.Single().Tensors.Where(tensor => tensor.Verdict == Verdict.Fail)];
            Assert.That(wrong.Select(tensor => (tensor.Name, tensor.Failed, tensor.Against)).Distinct(),
                Is.EqualTo(new[] { (name, 1, "with 1 thread") }), $"{mode}");
            Assert.That(wrong[0].Got, Is.EqualTo(-wrong[0].Truth).And.Not.Zero);
        }
    }

    [Test]
    public void AVariantIsOneBackendOrMore()
        => Assert.That(() => new BackendVariant("none"), Throws.ArgumentException.With.Message.Contains("none"));
}
