using ConvNet.Onnx;
using Google.Protobuf;
using NUnit.Framework;
using Onnx;

namespace ConvNet.Tests.Onnx;

/// <summary>Convolutions and pooling of volumes, which layers of maps compute, judged by ONNX Runtime.</summary>
public sealed class OnnxVolumeTests
{
    private static readonly int[] s_volume = [2, 4, 6, 7, 5];

    private static readonly (string Name, AttributeProto[] Attributes)[] s_windows =
    [
        ("dense", []),
        ("strides", [Ints("strides", 2, 3, 2)]),
        ("strides above the kernel", [Ints("strides", 4, 3, 3)]),
        ("pads", [Ints("pads", 1, 0, 1, 0, 1, 1)]),
        ("strides and pads", [Ints("strides", 3, 2, 1), Ints("pads", 1, 1, 1, 1, 0, 1)]),
        ("the same size", [Ints("strides", 2, 2, 2), OnnxAttribute.Of("auto_pad", "SAME_UPPER")]),
        ("the same size, from below", [Ints("strides", 2, 2, 2), OnnxAttribute.Of("auto_pad", "SAME_LOWER")]),
    ];

    private static IEnumerable<TestCaseData> Convolutions()
    {
        foreach ((string name, AttributeProto[] attributes) in s_windows)
            yield return Conv(name, [3, 4, 3, 2, 2], attributes);
        yield return Conv("dilations", [3, 4, 2, 3, 2], Ints("dilations", 3, 2, 1), Ints("pads", 1, 2, 0, 1, 2, 0));
        yield return Conv("groups", [6, 2, 2, 2, 3], OnnxAttribute.Of("group", 2));
        yield return Conv("groups of one", [8, 1, 3, 1, 2], OnnxAttribute.Of("group", 4), Ints("strides", 1, 2, 1));
        yield return Conv("pixels", [3, 4, 1, 1, 1], Ints("strides", 1, 2, 1));
        yield return Conv("the whole volume", [3, 4, 6, 7, 5]);
        yield return Conv("the whole depth", [3, 4, 6, 1, 1], Ints("strides", 2, 2, 2));
    }

    private static IEnumerable<TestCaseData> Pools()
    {
        foreach (string type in (string[])["MaxPool", "AveragePool"])
        {
            foreach ((string name, AttributeProto[] attributes) in s_windows)
                yield return Pool(type, name, attributes);
            yield return Pool(type, "rounded up", Ints("strides", 4, 3, 3), OnnxAttribute.Of("ceil_mode", 1));
        }
        yield return Pool("AveragePool", "counted pads", Ints("pads", 1, 0, 1, 0, 1, 1),
            OnnxAttribute.Of("count_include_pad", 1));
        yield return Named("GlobalAveragePool", OnnxModels.Of(s_volume, 13, OnnxModels.Node("GlobalAveragePool", ["x"],
            "y")));
        yield return Named("a network", OnnxModels.Of(s_volume, 13,
            OnnxModels.Node("Conv", ["x", "w"], "a", Ints("pads", 1, 1, 1, 1, 1, 1)), OnnxModels.Node("Relu", ["a"],
            "b"), OnnxModels.Node("MaxPool", ["b"], "c", Ints("kernel_shape", 2, 2, 2), Ints("strides", 2, 2, 2)),
            OnnxModels.Node("Conv", ["c", "v"], "d"), OnnxModels.Node("GlobalMaxPool", ["d"], "e"),
            OnnxModels.Node("Flatten", ["e"], "y"))
            .With("w", [4, 4, 3, 3, 3], Samples.Uniform(432, 1)).With("v", [3, 4, 2, 2, 2], Samples.Uniform(96, 2)));
    }

    [TestCaseSource(nameof(Convolutions)), TestCaseSource(nameof(Pools))]
    public void VolumesAreComputedAsOnnxRuntimeDoes(byte[] file)
        => OnnxOperatorTests.AgreesWithOnnxRuntime(file, s_volume);

    [Test]
    public void AConvolutionHasTheWeightsOfTheFile()
    {
        float[] weights = Samples.Uniform(3 * 4 * 3 * 2 * 2, 1);
        ImportedModel model = OnnxModels.Of(s_volume, 13, OnnxModels.Node("Conv", ["x", "w"], "y"))
            .With("w", [3, 4, 3, 2, 2], weights).Import();
        Assert.That(model.Graph.Parameters, Has.Count.EqualTo(1));
        Assert.That(model.ValuesOf(model.Graph.Parameters[0]), Is.EqualTo(weights));
    }

    [TestCase("pads"), TestCase("strides"), TestCase("dilations"), TestCase("kernel_shape")]
    public void AttributesOfOtherDimensionsAreRefused(string name)
        => Assert.That(() => OnnxModels.Of(s_volume, 13, OnnxModels.Node("Conv", ["x", "w"], "y", Ints(name, 1, 1)))
            .With("w", [3, 4, 1, 1, 1], new float[12]).Import(), Throws.TypeOf<InvalidDataException>()
            .With.Message.Contains(name));

    private static TestCaseData Conv(string name, int[] weights, params AttributeProto[] attributes)
        => Named($"Conv, {name}", OnnxModels.Of(s_volume, 13, OnnxModels.Node("Conv", ["x", "w", "b"], "y", attributes))
            .With("w", weights, Samples.Uniform(weights.Aggregate(1, (product, size) => product * size), 1))
            .With("b", [weights[0]], Samples.Uniform(weights[0], 2)));

    private static TestCaseData Pool(string type, string name, params AttributeProto[] attributes)
        => Named($"{type}, {name}", OnnxModels.Of(s_volume, 13, OnnxModels.Node(type, ["x"], "y",
            [Ints("kernel_shape", 3, 2, 2), .. attributes])));

    private static TestCaseData Named(string name, ModelProto model)
        => new TestCaseData(model.ToByteArray()).SetArgDisplayNames(name);

    private static AttributeProto Ints(string name, params int[] values) => OnnxAttribute.Of(name, values);
}
