using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

public sealed class SampleTests
{
    private static readonly Conv2d Layer = new(40, 3, padding: 1);
    private static readonly Shape Input = new(24, 6, 5);

    [Test]
    public void PartsAreSpreadFromTheFirstToTheLast([Values(1, 5, 8, 9, 100, 12_345)] int count,
        [Values(0.001, 0.3, 1)] double share)
    {
        int[] indices = new Sample(share).Indices(count);
        Assert.That(indices, Is.Ordered.And.Unique.And.All.InRange(0, count - 1));
        Assert.That(indices[0], Is.Zero);
        Assert.That(indices[^1], Is.EqualTo(count - 1));
        Assert.That(indices,
            Has.Length.EqualTo(Math.Min(count, Math.Max(Sample.Fewest, (int)Math.Ceiling(count * share)))));
        Assert.That(new Sample(share).Indices(count), Is.EqualTo(indices));
    }

    [Test]
    public void OnlyALayerWithTooManyTermsIsSampled()
    {
        long terms = Layer.MultiplyAdds(Input) * 2;
        Assert.That(Sample.Of(Layer, [Input], 2, terms), Is.Null);
        Assert.That(Sample.Of(Layer, [Input], 2, terms - 1), Is.Not.Null);
        Assert.That(Sample.Of(new Relu(), [Input], 2, 0), Is.Null);
    }

    [Test]
    public void ASampleComparesPartOfTheValuesAndSaysSo()
    {
        using var backend = new ManagedBackend(1);
        GradientReport all = GradientCheck.Run(Layer, [Input], [backend], new GradientCheckOptions { BatchSize = 2 });
        GradientReport report = GradientCheck.Run(Layer, [Input], [backend],
            new GradientCheckOptions { BatchSize = 2, MostTerms = 1 });
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Pass));
        LayerReport real = report.Layers.Single(layer => layer.Mode == CheckModes.Real),
            whole = all.Layers.Single(layer => layer.Mode == CheckModes.Real);
        Assert.That(real.Tensors.Select(tensor => (tensor.Name, tensor.Elements)),
            Is.EqualTo(new[] { ("y", 8 * 30), ("dx", 8 * 30), ("dw", 8 * 9), ("db", 8) }));
        Assert.That(real.Tensors.Select(tensor => tensor.Length),
            Is.EqualTo(whole.Tensors.Select(tensor => tensor.Elements)));
        Assert.That(report.Layers.Single(layer => layer.Mode == CheckModes.Exact)
            .Tensors.Select(tensor => tensor.Elements),
            Is.EqualTo(all.Layers.Single(layer => layer.Mode == CheckModes.Exact)
                .Tensors.Select(tensor => tensor.Elements)), "exact mode compares all values");
        LayerReport forward = report.Layers.Single(layer => layer.Mode == CheckModes.ForwardMode);
        Assert.That(forward.Tensors.Select(tensor => tensor.WorstInBounds), Is.Not.Empty.And.All.LessThan(1));
        Assert.That(forward.Tensors.Select(tensor => Math.Abs(tensor.Got)), Is.All.Positive);
    }

    [TestCase(FaultTarget.Output)]
    [TestCase(FaultTarget.InputGradient)]
    [TestCase(FaultTarget.WeightGradient)]
    public void AFaultInTheSampleIsFound(FaultTarget target)
    {
        using var managed = new ManagedBackend(1);
        using var faulty = new FaultyBackend(managed, new Fault(FaultKind.FactorOfTwo, target));
        GradientReport report = GradientCheck.Run(Layer, [Input], [faulty],
            new GradientCheckOptions { Modes = CheckModes.Real, MostTerms = 1 });
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Fail));
    }
}
