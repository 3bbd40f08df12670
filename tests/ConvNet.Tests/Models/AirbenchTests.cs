using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Models;

/// <summary>The initial values and the frozen parameters of airbench94.</summary>
public sealed class AirbenchTests
{
    private static readonly Shape s_shape = new(3, 32, 32);

    [Test]
    public void WhitenedPatchesAreUncorrelatedAndOfEqualSize()
    {
        const int Size = 12;
        const double Epsilon = 1e-3;
        float[] images = Images(20);
        float[] filters = Airbench.WhiteningFilters(images, s_shape, Epsilon);
        Assert.That(filters, Has.Length.EqualTo(2 * Size * Size));
        Assert.That(filters.Skip(Size * Size), Is.EqualTo(filters.Take(Size * Size).Select(value => -value)));

        Graph graph = Sequential.Of(s_shape, new Conv2d(Size, 2, bias: false));
        using var backend = new ManagedBackend();
        using IExecutable net = backend.CompileInference(graph, 20);
        net.Write(graph.Parameters[0], filters.AsSpan(0, Size * Size));
        float[] y = new float[20 * graph.Output.Shape.Length];
        net.Infer(images, y);
        double[] sizes = new double[Size];
        for (int a = 0; a < Size; a++)
        {
            for (int b = 0; b <= a; b++)
            {
                double moment = Moment(y, graph.Output.Shape, a, b);
                if (a == b)
                    sizes[a] = moment;
                else
                    Assert.That(moment, Is.EqualTo(0).Within(1e-4), $"{a} and {b}");
            }
        }
        // λ / (λ + ε), by falling λ; the largest are far above ε.
        Assert.That(sizes, Is.Ordered.Descending.And.All.LessThan(1));
        Assert.That(sizes[0], Is.GreaterThan(0.99));
    }

    [Test]
    public void FiltersStartAsIdentitiesAndFrozenParametersStay()
    {
        Graph graph = BuiltInModels.Create("airbench94");
        using var backend = new NativeBackend();
        using NativePlan net = backend.Compile(graph, new TrainingSpec(4, new SoftmaxCrossEntropy(),
            new Sgd(momentum: 0.85f, weightDecay: 0.01f, nesterov: true) { Groups = Airbench.Groups(0.01f) }));
        net.Initialize(new HeNormal(Seed: 1));
        float[] images = Images(4);
        Airbench.Initialize(net, images);
        float[] conv = Values(net, "2.conv1.weight"), whitening = Values(net, "0.weight"),
            scale = Values(net, "2.norm1.weight"), bias = Values(net, "2.norm1.bias");
        // Filter 5 of 64, on 24 channels, passes channel 5 on.
        Assert.That(conv.Skip(5 * 24 * 9).Take(24 * 9),
            Is.EqualTo(Enumerable.Range(0, 24 * 9).Select(i => i == 5 * 9 + 4 ? 1f : 0f)));
        Assert.That(conv.Skip(24 * 24 * 9), Has.All.Not.Zero, "those after the identities are drawn");
        Assert.That(whitening, Is.EqualTo(Airbench.WhiteningFilters(images, s_shape)));

        double loss = net.TrainStep(images, (int[])[1, 2, 3, 4], learningRate: 0.1f);
        Assert.That(loss, Is.EqualTo(Math.Log(10)).Within(1), "a ninth of the scores is small");
        Assert.That(Values(net, "0.weight"), Is.EqualTo(whitening));
        Assert.That(Values(net, "2.norm1.weight"), Is.EqualTo(scale).And.All.EqualTo(1));
        Assert.That(Values(net, "2.norm1.bias"), Is.Not.EqualTo(bias));
        Assert.That(Values(net, "2.conv1.weight"), Is.Not.EqualTo(conv));
        Assert.That(net.IsFrozen(graph["0"].Parameters[1]), Is.False, "the bias of the whitening is trained");
    }

    [Test]
    public void ScoresAreDividedByNine()
    {
        Graph graph = BuiltInModels.Create("airbench94");
        Graph unscaled = Sequential.Of(Shape.Vector(10), new AvgPool2d(3, stride: 1, padding: 1));
        Assert.That(graph.Output.Layer, Is.EqualTo(unscaled.Output.Layer));
        using var backend = new ManagedBackend();
        using IExecutable net = backend.CompileInference(unscaled, 1);
        float[] x = [9, 18, -27, 0, 4.5f, 1, 2, 3, 4, 5], y = new float[10];
        net.Infer(x, y);
        Assert.That(y, Is.EqualTo(x.Select(value => value / 9)).Within(1e-6));
    }

    [TestCase(0)]
    [TestCase(3 * 32 * 32 + 1)]
    public void ImagesThatAreNoneAreRefused(int length) => Assert.That(
        () => Airbench.WhiteningFilters(new float[length], s_shape), Throws.ArgumentException
            .With.Message.Contains("3×32×32 images"));

    private static float[] Values(NativePlan net, string name)
    {
        Parameter parameter = net.Graph.Parameters.Single(p => p.Name == name);
        float[] values = new float[parameter.Length];
        net.Read(parameter, values);
        return values;
    }

    // Neighbouring pixels and channels are alike, as in photographs.
    private static float[] Images(int count)
    {
        var random = new Random(1);
        float[] images = new float[count * s_shape.Length];
        for (int i = 0; i < images.Length; i++)
        {
            float beside = i % 32 > 0 ? images[i - 1] : 0, other = i % s_shape.Length >= 1024 ? images[i - 1024] : 0;
            images[i] = 0.5f * beside + 0.4f * other + random.NextSingle() - 0.5f;
        }
        return images;
    }

    // The mean product of two channels.
    private static double Moment(float[] y, Shape shape, int a, int b)
    {
        double sum = 0;
        for (int n = 0; n < y.Length; n += shape.Length)
        {
            for (int i = 0; i < shape.Area; i++)
                sum += (double)y[n + a * shape.Area + i] * y[n + b * shape.Area + i];
        }
        return sum / (y.Length / shape.Length * shape.Area);
    }
}
