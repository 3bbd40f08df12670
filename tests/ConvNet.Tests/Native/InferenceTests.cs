using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>A batch normalisation that is folded into the convolution before it.</summary>
public sealed class InferenceTests
{
    // √(3.75 + 0.25) = 2, so every fold of whole numbers is exact.
    private static readonly BatchNorm2d Norm = new(epsilon: 0.25f);

    [Test]
    public void AFoldedNormIsExactWhereTheNumbersAllowIt([Values] bool bias, [Values] bool relu)
    {
        Graph graph = Sequential.Of(new Shape(3, 6, 5), [new Conv2d(17, 3, padding: 1, bias: bias), Norm,
            .. relu ? new Layer[] { new Relu() } : [], new Conv2d(2, 3)]);
        using NativeBackend folded = new(), apart = new() { Fuse = false };
        using IExecutable a = folded.CompileInference(graph, 2), b = apart.CompileInference(graph, 2);
        float[] images = Whole(2 * graph.Input.Shape.Length, 1);
        for (int seed = 0; seed < 2; seed++)      // the second time the parameters have been written again
        {
            Write(a, seed);
            Write(b, seed);
            Assert.That(Infer(a, images), Is.EqualTo(Infer(b, images)));
        }
    }

    [Test]
    public void FoldingLeavesTheParametersAsTheyWereWritten()
    {
        Graph graph = Sequential.Of(new Shape(3, 6, 5), new Conv2d(17, 3), Norm);
        using var backend = new NativeBackend();
        using NativePlan net = backend.CompileInference(graph, 1);
        Write(net, seed: 1);
        Infer(net, Whole(graph.Input.Shape.Length, 1));
        foreach (Parameter parameter in graph.Parameters)
        {
            var values = new float[parameter.Length];
            net.Read(parameter, values);
            Assert.That(values, Is.EqualTo(Values(parameter, seed: 1)), parameter.Name);
        }
    }

    private static void Write(IExecutable net, int seed)
    {
        foreach (Parameter parameter in net.Graph.Parameters)
            net.Write(parameter, Values(parameter, seed));
    }

    private static float[] Values(Parameter parameter, int seed) => parameter.Role == ParameterRole.RunningVariance
        ? [.. Enumerable.Repeat(3.75f, parameter.Length)]
        : Whole(parameter.Length, seed + parameter.Name.Length);

    private static float[] Infer(IExecutable net, float[] images)
    {
        var scores = new float[net.BatchSize * net.Graph.Output.Shape.Length];
        net.Infer(images, scores);
        return scores;
    }

    private static float[] Whole(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)random.Next(-2, 3))];
    }
}
