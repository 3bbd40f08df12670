using System.Globalization;
using ConvNet.Measurement;
using NUnit.Framework;

namespace ConvNet.Tests.Measurement;

/// <summary>The lists of published networks against the totals that are known of them.</summary>
public sealed class PublishedNetworkTests
{
    // Weights of all convolutions, without biases, and their multiply-adds for one image.
    [TestCase("alexnet.txt", 5, 2_332_704, 665_784_864)]
    [TestCase("vgg11.txt", 8, 9_217_728, 7_485_456_384)]
    [TestCase("vgg19.txt", 16, 20_018_880, 19_508_428_800)]
    [TestCase("googlenet.txt", 57, 5_966_272, 1_581_647_872)]
    [TestCase("inception-v2.txt", 69, 10_150_080, 2_017_827_840)]
    [TestCase("inception-v3.txt", 94, 21_751_136, 5_711_168_096)]
    [TestCase("resnet50.txt", 53, 23_454_912, 3_855_925_248)]
    [TestCase("mobilenet-v1.txt", 27, 3_185_088, 567_716_352)]
    [TestCase("mobilenet-v2.txt", 52, 2_189_760, 299_494_272)]
    [TestCase("densenet121.txt", 120, 6_870_208, 2_833_137_664)]
    public void EveryConvolutionIsThere(string file, int layers, long weights, long multiplyAdds)
    {
        IReadOnlyList<LayerShape> shapes = ShapeFile.Read(Repository.Path("bench", "shapes", "networks", file));
        Assert.That(shapes.Select(shape => shape.Name), Is.Unique.And.All.Not.Null);
        Assert.That(shapes.Select(shape => (shape with { Name = null }).ToString()), Is.Unique,
            "a shape stands once, with how often it occurs");
        Assert.That(shapes.Sum(Times), Is.EqualTo(layers));
        Assert.That(shapes.Sum(shape => Times(shape) * (long)shape.Output.C * (shape.Input.C / shape.Groups)
            * shape.Kernel.Area), Is.EqualTo(weights));
        Assert.That(shapes.Sum(shape => Times(shape) * shape.ToLayer().MultiplyAdds(shape.Input)),
            Is.EqualTo(multiplyAdds));
    }

    // From the (x3) at the end of a name.
    private static int Times(LayerShape shape)
        => shape.Name!.LastIndexOf("(x", StringComparison.Ordinal) is >= 0 and var at
            ? int.Parse(shape.Name[(at + 2)..^1], CultureInfo.InvariantCulture) : 1;
}
