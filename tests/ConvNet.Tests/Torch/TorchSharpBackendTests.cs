using NUnit.Framework;

namespace ConvNet.Tests.Torch;

/// <summary>What is peculiar to this backend; what it computes is the contract's business.</summary>
[TestFixture]
public sealed class TorchSharpBackendTests
{
    [Test]
    public void InfoNamesTheLibraryThatWasLoaded()
    {
        using var backend = new TorchSharpBackend(threads: 2);
        Assert.That(backend.Info.Name, Is.EqualTo("torchsharp"));
        Assert.That(backend.Info.Threads, Is.EqualTo(2));
        Assert.That(backend.Info.Version, Does.Match(@"^\d+\.\d+"));
        Assert.That(backend.Info.Library, Does.Exist);
    }

    [TestCase(0)]
    [TestCase(1025)]
    public void NoThreadAndTooManyAreRefused(int threads) =>
        Assert.That(() => new TorchSharpBackend(threads),
            Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains($"threads is {threads};"));

    [Test]
    public void ALayerOfOnesOwnIsNamed()
    {
        var graph = new Graph(new Shape(1, 2, 2));
        graph.Add("half", new Halve(), graph.Input);
        using var backend = new TorchSharpBackend();
        Assert.That(
            () => backend.CompileInference(graph, 1),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("half").And.Message.Contains("Halve"));
    }

    [Test]
    public void ALossOfOnesOwnIsNamed()
    {
        using var backend = new TorchSharpBackend();
        Assert.That(
            () => backend.Compile(Small(), new TrainingSpec(2, new NoLoss(), new Sgd())),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains(nameof(NoLoss)));
    }

    [Test]
    public void InferenceLeavesATrainingPassAlone()
    {
        using var backend = new TorchSharpBackend();
        using IExecutable net = Train(backend, Small()), undisturbed = Train(backend, Small());
        var scores = new float[2 * 3];
        foreach (IExecutable each in new[] { net, undisturbed })
        {
            each.Forward(Images(2));
            if (each == net)
                each.Infer(Images(2).Select(x => x + 1).ToArray(), scores);
            each.Loss((int[])[0, 2]);
            if (each == net)
                each.Infer(new float[2 * 36], scores);
            each.Backward();
        }
        foreach (Parameter parameter in net.Graph.Parameters.Where(p => p.Trainable))
            Assert.That(Gradient(net, parameter),
                Is.EqualTo(Gradient(undisturbed, undisturbed.Graph.Parameters.Single(p => p.Name == parameter.Name))));
    }

    [Test]
    public void AGraphWithoutParametersHasTheGradientOfItsImages()
    {
        Graph graph = Sequential.Of(Shape.Vector(3), new Relu());
        using var backend = new TorchSharpBackend();
        using IExecutable net =
            backend.Compile(graph, new TrainingSpec(1, new MeanSquaredError(), new Sgd()) { InputGradient = true });
        var gradient = new float[3];
        for (int pass = 0; pass < 2; pass++)
        {
            net.Forward((float[])[-1, 2, 3]);
            net.Backward((float[])[5, 6, 7]);
            net.ReadInputGradient(gradient);
            Assert.That(gradient, Is.EqualTo(new[] { 0f, 6f, 7f }));
        }
    }

    [Test]
    public void ValuesAreMovedInPiecesOfAnySize([Range(1, 8)] int piece, [Values] bool isLinear)
    {
        float[] values = [1, 2, 3, 4, 5, 6], read = new float[6];
        using TorchSharp.torch.Tensor wide = TorchSharp.torch.zeros([2, isLinear ? 3 : 5]),
            tensor = wide.narrow(1, 0, 3);
        if (isLinear)
            tensor.WriteFloats(values, piece);
        else
            tensor.copy_(TorchSharp.torch.tensor(values).reshape(2, 3));
        tensor.ReadFloats(read, piece);
        Assert.That(read, Is.EqualTo(values));
    }

    [Test]
    public void AStrideThatLibtorchDiesOfIsRefused()
    {
        Graph graph = Sequential.Of(new Shape(1, 1, (1 << 16) + 1), new Conv2d(1, 1, stride: 1 << 16));
        using var backend = new TorchSharpBackend();
        Assert.That(() => backend.CompileInference(graph, 1),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("conv1").And.Message.Contains("32,768"));
    }

    private static Graph Small() => Sequential.Of(new Shape(1, 6, 6),
        new Conv2d(4, 3, padding: 1), new BatchNorm2d(), new Relu(), new MaxPool2d(2), new Dropout(0.25f),
            new Flatten(), new Linear(3));

    private static IExecutable Train(TorchSharpBackend backend, Graph graph)
    {
        IExecutable net = backend.Compile(graph, new TrainingSpec(2, new MulticlassSvm(), new Sgd(momentum: 0.5f)));
        net.Initialize(new HeNormal(1));
        return net;
    }

    private static void TrainStep(IExecutable net) => net.TrainStep(Images(2), (int[])[0, 2], 1e-3f);

    private static float[] Images(int n) => [.. Enumerable.Range(0, n * 36).Select(i => i % 7 - 3f)];

    private static float[] Values(IExecutable net, Parameter parameter)
    {
        var values = new float[parameter.Length];
        net.Read(parameter, values);
        return values;
    }

    private static float[] Gradient(IExecutable net, Parameter parameter)
    {
        var values = new float[parameter.Length];
        net.ReadGradient(parameter, values);
        return values;
    }

    private sealed record Halve : Layer
    {
        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

        public override void Forward<T>(in Frame<T> f)
        {
            for (int i = 0; i < f.Y.Length; i++)
                f.Y[i] = f.X(0)[i] / T.CreateChecked(2);
        }

        public override void Backward<T>(in Frame<T> f)
        {
            for (int i = 0; i < f.DY.Length; i++)
                f.DX(0)[i] = f.DY[i] / T.CreateChecked(2);
        }
    }

    private sealed record NoLoss : Loss
    {
        public override TargetKind Takes => TargetKind.Classes;

        public override T Evaluate<T>(in LossFrame<T> f) => throw new NotSupportedException();
    }
}
