using ConvNet.Measurement;
using NUnit.Framework;

namespace ConvNet.Tests.Measurement;

public sealed class LayerShapeTests
{
    private static LayerShape Conv(int batch, Shape input, Shape output, Extent kernel)
        => new() { Batch = batch, Input = input, Output = output, Kernel = kernel };

    private static IEnumerable<TestCaseData> Descriptors()
    {
        LayerShape usual = Conv(32, new(64, 56, 56), new(64, 56, 56), 3) with { Padding = 1 };
        yield return new("mb32ic64ih56oc64oh56kh3ph1", usual);
        yield return new("mb32ic64ih56oc64oh56kh3ph1n\"64->64 3x3 @56\"", usual with { Name = "64->64 3x3 @56" });
        yield return new("mb32ic64ih56oc64oh56kh3ph1nbare", usual with { Name = "bare" });
        yield return new("mb32_ic64ih56_oc64oh56_kh3_ph1", usual);
        yield return new("kh3ph1oc64ic64ih56mb32", usual);
        yield return new("g1mb32ic64ih56iw56oc64oh56ow56kh3kw3sh1sw1ph1pw1dh0dw0", usual);
        yield return new("mb32ic64ih56oc64oh56kh3", usual);
        yield return new("ic3ih10oc4kh3", Conv(2, new(3, 10, 10), new(4, 8, 8), 3));
        yield return new("mb16ic3ih224oc64oh112kh7sh2ph3", Conv(16, new(3, 224, 224), new(64, 112, 112), 7)
            with
        { Stride = 2, Padding = 3 });
        yield return new("mb32ic3ih224oc64oh55kh11sh4ph2", Conv(32, new(3, 224, 224), new(64, 55, 55), 11)
            with
        { Stride = 4, Padding = 2 });
        yield return new("mb1ic8ih16oc8kh3ph2dh1", Conv(1, new(8, 16, 16), new(8, 16, 16), 3)
            with
        { Padding = 2, Dilation = 2 });
        yield return new("g8mb1ic8ih7oc16kh3ph1", Conv(1, new(8, 7, 7), new(16, 7, 7), 3)
            with
        { Groups = 8, Padding = 1 });
        yield return new("mb4ic5ih9iw20oc6kh3kw5sh2sw1ph1pw0", Conv(4, new(5, 9, 20), new(6, 5, 16), (3, 5))
            with
        { Stride = (2, 1), Padding = (1, 0) });
        yield return new("mb4ic5ih9iw20oc6kh3ph1", Conv(4, new(5, 9, 20), new(6, 9, 20), 3) with { Padding = 1 });
        yield return new("mb4ic5ih9oc6kh3kw1ph1pw0", Conv(4, new(5, 9, 9), new(6, 9, 9), (3, 1))
            with
        { Padding = (1, 0) });
        yield return new("mb4ic5ih9oc6kh3sw2ph1", Conv(4, new(5, 9, 9), new(6, 9, 5), 3)
            with
        { Padding = 1, Stride = (1, 2) });
        yield return new("mb2ic17ih8oc18oh4kh3sh2ph0", Conv(2, new(17, 8, 8), new(18, 4, 4), 3)
            with
        { Stride = 2, Padding = (0, 0, 1, 1) });
        yield return new("mb2ic4ih8oc4oh9kh3ph1", Conv(2, new(4, 8, 8), new(4, 9, 9), 3)
            with
        { Padding = (1, 1, 2, 2) });
        yield return new("max:mb2ic8ih8iw9oh4ow5kh3sh2ph0pw1", Conv(2, new(8, 8, 9), new(8, 4, 5), 3)
            with
        { Operator = LayerOperator.MaxPool, Stride = 2, Padding = (0, 1, 1, 1) });
        yield return new("mb64ic4096oc4096",
            new LayerShape { Batch = 64, Input = Shape.Vector(4096), Output = Shape.Vector(4096) });
        yield return new("mb64ic16ih5oc120n\"linear1\"",
            new LayerShape { Batch = 64, Input = new(16, 5, 5), Output = Shape.Vector(120), Name = "linear1" });
        yield return new("mb64ic16ih5iw1oc120",
            new LayerShape { Batch = 64, Input = new(16, 5, 1), Output = Shape.Vector(120) });
        LayerShape max = Conv(2, new(64, 112, 112), new(64, 56, 56), 3)
            with
        { Operator = LayerOperator.MaxPool, Stride = 2, Padding = 1 };
        yield return new("max:mb2ic64ih112oh56kh3sh2ph1", max);
        yield return new("max:mb2_ic64ih112_kh3sh2ph1n\"pool\"", max with { Name = "pool" });
        yield return new("avg_p:ic64ih112kh3sh2ph1", max with { Operator = LayerOperator.AveragePool });
        yield return new("avg_np:mb2ic64ih112kh3sh2ph1", max with { Operator = LayerOperator.AveragePoolInside });
        yield return new("avg_p:mb1ic8ih7iw6kh7kw6", Conv(1, new(8, 7, 6), new(8, 1, 1), (7, 6))
            with
        { Operator = LayerOperator.AveragePool });
        yield return new("bnorm:mb4ic16ih7", new LayerShape
        {
            Operator = LayerOperator.BatchNorm,
            Batch = 4,
            Input = new(16, 7, 7),
            Output = new(16, 7, 7)
        });
        yield return new("bnorm:ic16ih7iw5n\"bn\"", new LayerShape
        {
            Operator = LayerOperator.BatchNorm,
            Batch = 2,
            Input = new(16, 7, 5),
            Output = new(16, 7, 5),
            Name = "bn"
        });
    }

    [TestCaseSource(nameof(Descriptors))]
    public void ADescriptorMeansWhatItMeansToBenchdnn(string text, LayerShape expected)
        => Assert.That(LayerShape.Parse(text), Is.EqualTo(expected));

    [TestCaseSource(nameof(Descriptors))]
    public void WhatIsWrittenIsReadBack(string text, LayerShape expected)
    {
        Assert.That(LayerShape.Parse(expected.ToString()), Is.EqualTo(expected), text);
        Assert.That(LayerShape.Parse(expected.ToString()).ToString(), Is.EqualTo(expected.ToString()));
    }

    [TestCaseSource(nameof(Descriptors))]
    public void TheLayerGivesTheOutputAndTheOperations(string text, LayerShape shape)
    {
        Assert.That(shape.ToLayer().Infer(shape.Reads), Is.EqualTo(shape.Output), text);
        Assert.That(shape.Operations, Is.EqualTo(2.0 * shape.Batch * shape.ToLayer().MultiplyAdds(shape.Reads)), text);
    }

    [TestCase("mb2ic4ih8oc6kh3ph1", 2 * (4 * 64 + 6 * 64) + 6 * 4 * 9)]
    [TestCase("g2mb2ic4ih8oc6kh3ph1", 2 * (4 * 64 + 6 * 64) + 6 * 2 * 9)]
    [TestCase("mb3ic5ih2oc7", 3 * (5 * 4 + 7) + 5 * 4 * 7)]
    public void WhatIsMovedOnceIsTheInputTheWeightsAndTheOutput(string text, double values)
        => Assert.That(LayerShape.Parse(text).MinTrafficBytes, Is.EqualTo(sizeof(float) * values));

    [TestCase("", "ic is missing", 1)]
    [TestCase("mb", "the number after mb is missing", 3)]
    [TestCase("mb2icx", "the number after ic is missing", 6)]
    [TestCase("mb2 ic4oc4", "\" i\" is not a size", 4)]
    [TestCase("mb2ic4oc4ih8kh3q1", "\"q1\" is not a size", 16)]
    [TestCase("mb2mb3ic4oc4", "mb is given twice", 4)]
    [TestCase("mb0ic4oc4", "mb must be at least 1", 3)]
    [TestCase("mb2ic99999999999oc4", "ic must be at most 16,777,216", 6)]
    [TestCase("mb2ic4id3ih3oc4kh3", "id is a size of a third dimension", 7)]
    [TestCase("mb2ic4oc4oh3", "oh belongs to a convolution, whose kernel size kh is missing", 13)]
    [TestCase("mb2ic4oc4kh3", "ih is missing", 13)]
    [TestCase("mb2ic4ih8kh3", "oc is missing", 13)]
    [TestCase("mb2ic4ih8oc4oh5kh3ph1", "oh5 contradicts (8 − 3 + 1 + 0) / 1 + 1 = 7", 22)]
    [TestCase("mb2ic4ih8oc4oh8ow5kh3ph1", "ow5 contradicts", 25)]
    [TestCase("mb2ic4ih2oc4kh5ph1", "a kernel with an extent of 5 does not fit an input of 2 with a padding of 1", 19)]
    [TestCase("g3mb2ic4ih8oc6kh3", "4 and 6 channels are not divisible by 3 groups", 18)]
    [TestCase("max:mb2ic4oc4ih8kh2", "oc does not apply to max: pooling", 20)]
    [TestCase("avg_p:mb2ic4ih8kh2dh1", "dh does not apply to avg_p: pooling", 22)]
    [TestCase("max:mb2ic4ih8", "kh is missing", 14)]
    [TestCase("max:mb2ic4ih8kh2ph2", "only padding", 20)]
    [TestCase("ic1ih1oc1oh16777216kh1sh16777216", "oh16777216 needs a padding of 140,737,479,966,720 around 1", 33)]
    [TestCase("mb2ic1ih16777216iw16777216oc1kh1", "too large", 33)]
    [TestCase("mb2ic1ih3000000iw1oc1kh2000000kw1", "at most 1,048,576", 34)]
    [TestCase("max:mb2ic1ih8kh2sh2000000", "at most 1,048,576", 26)]
    [TestCase("bnorm:mb2ic4ih8kh3", "kh does not apply to bnorm: a batch normalisation", 19)]
    [TestCase("bnorm:mb2ic4", "ih is missing", 13)]
    [TestCase("min:mb2ic4ih8kh2", "\"mi\" is not a size", 1)]
    [TestCase("mb2ic4oc4n\"open", "the name has only one quote", 11)]
    [TestCase("mb2ic4oc4n", "a name has at least one character", 11)]
    public void AWrongDescriptorSaysWhatIsWrongAndWhere(string text, string reason, int character)
    {
        string message = Assert.Throws<FormatException>(() => LayerShape.Parse(text))!.Message;
        Assert.That(message, Does.StartWith($"Shape {text}: ").And.Contain(reason)
            .And.EndWith($"at character {character}."));
    }

    [Test]
    public void AFileHasOneShapeALineAndErrorsNameTheLine()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("shapes.txt");
        File.WriteAllText(file, "# two layers\n\nmb2ic4oc4\n  mb2ic4ih8oc4kh3n\"b\"\n");
        Assert.That(ShapeFile.Read(file).Select(shape => shape.ToString()),
            Is.EqualTo((string[])["mb2ic4oc4", "mb2ic4ih8oc4oh6kh3ph0n\"b\""]));
        File.WriteAllText(file, "mb2ic4oc4\nmb2ic4oc\n");
        Assert.That(Assert.Throws<FormatException>(() => ShapeFile.Read(file))!.Message, Does.StartWith($"{file}:2: ")
            .And.Contain("the number after oc is missing"));
        File.WriteAllText(file, "# nothing\n");
        Assert.That(Assert.Throws<FormatException>(() => ShapeFile.Read(file))!.Message, Does.Contain("no shape"));
    }

    [TestCase("kernels.txt", 15)]
    [TestCase("lenet5.txt", 5)]
    [TestCase("alexnet.txt", 8)]
    [TestCase("resnet18.txt", 12)]
    public void TheShapesOfTheRepositoryAreReadAndHaveNames(string file, int count)
    {
        IReadOnlyList<LayerShape> shapes = ShapeFile.Read(Repository.Path("bench", "shapes", file));
        Assert.That(shapes, Has.Count.EqualTo(count));
        Assert.That(shapes.Select(shape => shape.Name), Is.Unique.And.All.Not.Null);
    }
}
