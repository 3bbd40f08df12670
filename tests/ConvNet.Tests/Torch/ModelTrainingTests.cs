using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Torch;

/// <summary>A training step of the built-in networks on small images: native and torchsharp have the same losses and
/// gradients.</summary>
public sealed class ModelTrainingTests
{
    private const int Batch = 4, Size = 64, Classes = 5;

    [TestCase("resnet18")]
    [TestCase("squeezenet1_1")]
    [TestCase("googlenet_aux")]
    [TestCase("shufflenet_v2_x1_0")]
    [TestCase("mobilenet_v2")]
    [TestCase("mobilenet_v3_small")]
    [TestCase("efficientnet_b0")]
    [TestCase("convnext_tiny")]
    public void BothBackendsTrainIt(string name)
    {
        Graph Build() => BuiltInModels.Create(name, new Shape(BuiltInModels.InputOf(name).C, Size, Size), Classes);
        Graph graph = Build();
        var losses = Losses.Of([.. graph.Outputs.Select(output
            => new OutputLoss(output.Name, new SoftmaxCrossEntropy(PerPixel: output.Shape.Area > 1)))]);
        var spec = new TrainingSpec(Batch, losses, new Sgd());
        using var native = new NativeBackend();
        using var torch = new TorchSharpBackend();
        using IExecutable one = native.Compile(graph, spec), two = torch.Compile(Build(), spec);
        (double Loss, float[][] Gradients) a = Step(one), b = Step(two);
        Assert.That(a.Loss, Is.EqualTo(b.Loss).Within(1e-3 * b.Loss));
        // Rounding errors grow from layer to layer, and a ReLU on either side of 0 has another gradient.
        double product = 0;
        for (int i = 0; i < a.Gradients.Length; i++)
            product += a.Gradients[i].Zip(b.Gradients[i], (x, y) => (double)x * y).Sum();
        double ofNative = a.Gradients.Sum(Square), ofTorch = b.Gradients.Sum(Square);
        Assert.That(product / Math.Sqrt(ofNative * ofTorch), Is.GreaterThan(0.99), "cosine between the gradients");
        Assert.That(Math.Sqrt(ofNative / ofTorch), Is.EqualTo(1).Within(0.05), "ratio of their lengths");
    }

    private static (double, float[][]) Step(IExecutable net)
    {
        net.Initialize(new HeNormal(Seed: 3));
        var random = new Random(1);
        float[] images = [.. Enumerable.Range(0, Batch * net.Graph.Input.Shape.Length)
            .Select(_ => random.NextSingle() - 0.5f)];
        net.Forward(images);
        double loss = net.Loss(Targets.Of([.. net.Graph.Outputs.Select(output => new OutputTargets(output.Name,
            Enumerable.Range(0, Batch * output.Shape.Area).Select(_ => random.Next(Classes)).ToArray()))]));
        net.Backward();
        return (loss, [.. net.Graph.Parameters.Where(p => p.Trainable).Select(parameter =>
        {
            float[] gradient = new float[parameter.Length];
            net.ReadGradient(parameter, gradient);
            return gradient;
        })]);
    }

    private static double Square(float[] values) => values.Sum(value => (double)value * value);
}
