using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Torch;

/// <summary>A training step of the built-in networks on small images: native and torchsharp have the same losses and
/// gradients.</summary>
public sealed class ModelTrainingTests
{
    private const int Batch = 4, Size = 64, Classes = 5;

    // One network of each family. Those with linear layers of a hundred million weights are left to other tests.
    private static IEnumerable<string> Names => BuiltInModels.All
        .Where(model => model.Name != "googlenet_aux").Where(model => model.Create(new Shape(model.Input.C, Size, Size), Classes).ParameterCount < 50_000_000)
        .Select(model => model.Name);

    [TestCaseSource(nameof(Names))]
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
        double largest = b.Gradients.Max(Norm);
        for (int i = 0; i < a.Gradients.Length; i++)
        {
            double apart = Norm([.. a.Gradients[i].Zip(b.Gradients[i], (x, y) => x - y)]);
            // A bias before a batch normalisation has a gradient of rounding errors only.
            Assert.That(apart, Is.LessThan(0.01 * Norm(b.Gradients[i]) + 1e-4 * largest),
                graph.Parameters.Where(p => p.Trainable).ElementAt(i).Name);
        }
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

    private static double Norm(float[] values) => Math.Sqrt(values.Sum(value => (double)value * value));
}
