using System.Text;
using ConvNet.Models;
using ConvNet.Tests.Truth;
using NUnit.Framework;

namespace ConvNet.Tests.Models;

/// <summary>The networks of torchvision: the same names and shapes of parameters and buffers, and the same scores for
/// the same values.</summary>
public sealed class TorchvisionTests
{
    private const int Every = 100;

    private static IEnumerable<TruthCase> Cases => TruthTable.Cases("models.json");

    private static IEnumerable<TruthCase> WithScores => Cases.Where(known => known.Has("y"));

    [TestCaseSource(nameof(Cases))]
    public void ParametersAndBuffersHaveItsNamesAndShapes(TruthCase known)
    {
        Graph graph = BuiltInModels.Create(known.Name);
        var expected = known.Json.GetProperty("state").EnumerateArray().SelectMany(line => Tensors(line.GetString()!))
            .ToDictionary();
        Assert.That(graph.Parameters.Select(p => p.Name), Is.EquivalentTo(expected.Keys));
        foreach (Parameter parameter in graph.Parameters)
        {
            // A linear layer of every pixel is a 1×1 convolution here.
            IEnumerable<int> dimensions = expected[parameter.Name] is [_, _] && parameter.Dimensions is [_, _, 1, 1]
                ? parameter.Dimensions.SkipLast(2) : parameter.Dimensions;
            Assert.That(dimensions, Is.EqualTo(expected[parameter.Name]), parameter.Name);
        }
        Assert.That(graph.ParameterCount, Is.EqualTo(known.Json.GetProperty("parameters").GetInt64()));
    }

    [TestCaseSource(nameof(WithScores))]
    public void ScoresAreItsScores(TruthCase known)
    {
        int size = known.Json.GetProperty("size").GetInt32();
        Graph graph = BuiltInModels.Create(known.Name, new Shape(3, size, size));
        using var backend = new NativeBackend(precision: Precision.Accurate);
        using NativePlan net = backend.CompileInference(graph, 1);
        foreach (Parameter parameter in graph.Parameters)
            net.Write(parameter, ValuesOf(parameter));
        float[][] scores = [.. graph.Outputs.Select(output => new float[output.Shape.Length])];
        net.Infer(Numbers("image", graph.Input.Shape.Length).Select(value => (float)value).ToArray(),
            BatchBuffers.InOrder(scores));
        double[][] expected = known.Lists("y");
        Assert.That(scores, Has.Length.EqualTo(expected.Length));
        for (int i = 0; i < scores.Length; i++)
            TruthTable.AssertAgree([.. scores[i].Where((_, at) => at % Every == 0).Select(y => (double)y)],
                expected[i], graph.Outputs[i].Name, tolerance: 1e-4);
    }

    [Test]
    public void TheNetworksWithOtherNamesAreNotTorchvisions() => Assert.That(
        BuiltInModels.Names.Except(Cases.Select(known => known.Name)),
        Is.EquivalentTo((string[])["digits", "lenet5", "cifarnet", "airbench94", "resnet20", "resnet32", "resnet56",
            "mobilenet_v1", "googlenet", "unet"]));

    // "conv1 weight:64x3x7x7" or "bn1 bn:64".
    private static IEnumerable<(string Name, int[] Dimensions)> Tensors(string line)
    {
        string[] words = line.Split(' ');
        foreach (string[] pair in words[1..].Select(word => word.Split(':')))
        {
            int[] dimensions = [.. pair[1].Split('x').Select(int.Parse)];
            foreach (string kind in pair[0] == "bn"
                ? (string[])["weight", "bias", "running_mean", "running_var"]
                : [pair[0]])
                yield return ($"{words[0]}.{kind}", dimensions);
        }
    }

    private static float[] ValuesOf(Parameter parameter)
    {
        string kind = parameter.Name[(parameter.Name.LastIndexOf('.') + 1)..];
        double fan = parameter.Dimensions.Skip(1).Aggregate(1.0, (product, size) => product * size);
        bool filters = parameter.Role == ParameterRole.Weight && kind == "weight" && parameter.Dimensions.Count > 1;
        return [.. Numbers(parameter.Name, parameter.Length).Select(u => (float)(kind switch
        {
            "weight" when filters => u * Math.Sqrt(6 / fan),
            "weight" or "running_var" => 1 + u / 4,
            "layer_scale" => (1 + u / 4) / 2,
            _ => u / 8,
        }))];
    }

    // Multiples of 1/32 in [-1, 1], as in tests/truth/models.py.
    private static IEnumerable<double> Numbers(string name, int count)
    {
        uint seed = 2166136261;
        foreach (byte each in Encoding.UTF8.GetBytes(name))
            seed = (seed ^ each) * 16777619;
        for (uint i = 0; i < count; i++)
        {
            uint x = (i + seed) * 2654435761;
            x = (x ^ x >> 15) * 2246822519;
            x ^= x >> 13;
            yield return x % 65 / 32.0 - 1;
        }
    }
}
