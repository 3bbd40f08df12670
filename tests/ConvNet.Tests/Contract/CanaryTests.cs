using ConvNet.Diagnostics;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>The check is itself checked: faults injected into every backend's results must be found.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class CanaryTests(BackendCase backend)
{
    private static readonly LayerCase[] Layers =
    [
        new(new Conv2d(5, 3, padding: 1), 3, new Shape(3, 7, 5)),
        new(new Conv2d(17, 3, stride: 2, padding: 1, groups: 17), 2, new Shape(17, 5, 7)),
        new(new Dense(10), 3, Shape.Vector(17)),
        new(new MaxPool2d(2), 2, new Shape(3, 6, 10)),
        new(new AvgPool2d(2), 3, new Shape(3, 6, 4)),
        new(new AvgPool2d(3, stride: 2), 2, new Shape(3, 7, 9)) { Rounds = true },
        new(new GlobalAvgPool2d(), 2, new Shape(5, 4, 8)),
        new(new Relu(), 3, new Shape(3, 5, 7)),
        new(new Flatten(), 2, new Shape(3, 3, 5)),
        new(new Dropout(0.5f), 3, new Shape(3, 5, 3)),
        new(new Add(), 2, new Shape(3, 5, 7), new Shape(3, 5, 7)),
        new(new BatchNorm2d(), 4, new Shape(3, 5, 7)) { Rounds = true },
    ];

    public static IEnumerable<object[]> Faults =>
        from layer in Layers
        from kind in Enum.GetValues<FaultKind>()
        from target in Enum.GetValues<FaultTarget>()
        where MakesSense(layer.Layer, kind, target)
        select new object[] { layer, kind, target };

    [TestCaseSource(nameof(Faults))]
    public void IsCaught(LayerCase layer, FaultKind kind, FaultTarget target)
    {
        using IBackend opened = backend.Open();
        var faulty = new FaultyBackend(opened, new Fault(kind, target, Seed: 7));
        // Where float32 rounds on whole numbers too, the error bound must find it.
        CheckModes mode = layer.Rounds ? CheckModes.Real : CheckModes.Exact;
        GradientReport report = GradientCheck.Run(layer.Layer, layer.Inputs, [faulty], Reports.Options(mode, layer.N));
        Assert.That(faulty.Injected, Is.Positive, "nothing was spoilt");
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Fail));
    }

    [Test]
    public void OneTermLeftOutAnywhereIsAlwaysCaughtInExactMode([Range(1, 12)] int seed)
    {
        using IBackend opened = backend.Open();
        foreach (FaultTarget target in Enum.GetValues<FaultTarget>())
        {
            var faulty = new FaultyBackend(opened, new Fault(FaultKind.TermLeftOut, target, seed));
            GradientReport report = GradientCheck.Run(new Conv2d(9, 3, padding: 1), [new Shape(5, 7, 6)], [faulty], Reports.Options(CheckModes.Exact, 4));
            Assert.That(faulty.Injected, Is.Positive, "nothing was spoilt");
            Assert.That(report.Failed, Is.EqualTo(1), $"{target}, seed {seed}: the one element and no other");
        }
    }

    private static bool MakesSense(Layer layer, FaultKind kind, FaultTarget target)
    {
        bool weights = layer is Conv2d or Dense or BatchNorm2d, parameter = target is FaultTarget.WeightGradient or FaultTarget.BiasGradient;
        bool windows = layer is Conv2d or MaxPool2d or AvgPool2d;
        return (weights || !parameter) && kind switch
        {
            FaultKind.BiasMissing => weights && target == FaultTarget.Output,
            FaultKind.PaddingOffByOne => windows && target != FaultTarget.BiasGradient,
            // The gradient of a global mean is the same all over the map.
            FaultKind.SwappedStride when layer is GlobalAvgPool2d => target == FaultTarget.Output,
            FaultKind.SwappedStride => !parameter || (target == FaultTarget.WeightGradient && layer is not BatchNorm2d),
            // A dropped value has one term; what is left of it is another fault of this list.
            FaultKind.TermLeftOut => layer is not Dropout,
            _ => true,
        };
    }
}
