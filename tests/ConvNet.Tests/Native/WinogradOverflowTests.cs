using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>One very large or infinite value in a tile of Winograd: the whole tile is NaN, and errors say what
/// helps.</summary>
public sealed class WinogradOverflowTests
{
    private static readonly Shape s_shape = new(1, 8, 8);

    // Two rows of two in the middle of a tile of either algorithm, whose transforms add all four.
    private static readonly int[] s_large = [36, 37, 44, 45];

    private static Graph Graph
        => Sequential.Of(s_shape, new Conv2d(16, 1), new Conv2d(16, 3, padding: 1), new GlobalAvgPool2d(),
        new Flatten(), new Linear(2));

    [Test]
    public void TheLossIsTracedToTheLayerWithTheAdvice([Values(SumAlgorithm.Winograd2,
        SumAlgorithm.Winograd4)] SumAlgorithm algorithm)
    {
        using var backend = new NativeBackend { Algorithm = algorithm };
        using NativePlan network = backend.Compile(Graph, new TrainingSpec(2, new SoftmaxCrossEntropy(), new Sgd()));
        network.Initialize(new HeNormal(1));
        MakeLarge(network);
        NonFiniteLossException error = Assert.Throws<NonFiniteLossException>(()
            => new Trainer(network, new TrainerOptions()).Train(new DataLoader(Data(), 2)))!;
        Assert.Multiple(() =>
        {
            Assert.That((error.Origin.Place, error.Origin.Node!.Name, error.Origin.Algorithm),
                Is.EqualTo((NonFinitePlace.Algorithm, "conv2", algorithm)));
            Assert.That(error.Message, Does.Contain("\"conv2\" uses Winograd's F(")
                .And.Contain("Precision.Accurate (--precision accurate)"));
        });
    }

    [Test]
    public void TheAdviceHelps()
    {
        using var backend = new NativeBackend(precision: Precision.Accurate);
        using NativePlan network = backend.Compile(Graph, new TrainingSpec(2, new SoftmaxCrossEntropy(), new Sgd()));
        network.Initialize(new HeNormal(1));
        MakeLarge(network);
        network.Forward(Data().Inputs);
        Assert.That(double.IsFinite(network.Loss(Data().Labels)));
    }

    [Test]
    public void InferenceIsTracedAlike()
    {
        using var backend = new NativeBackend { Algorithm = SumAlgorithm.Winograd4 };
        using NativePlan network = backend.CompileInference(Graph, 2);
        network.Initialize(new HeNormal(1));
        MakeLarge(network);
        ArrayDataset data = Data();
        Assert.That(Evaluation.Of(network, new DataLoader(data, 2)).NotFinite, Is.Positive);
        Assert.That(NonFiniteOrigin.Find(network, data.Inputs, pass: null).Advice,
            Does.Contain("conv2").And.Contain("Precision.Accurate"));
    }

    [Test]
    public void TheGradientCheckSaysSoToo([Values] SumAlgorithm algorithm)
    {
        using var backend = new NativeBackend { Algorithm = algorithm };
        var shape = new Shape(16, 8, 8);
        var check = new LayerCheck("conv1", new Conv2d(16, 3, padding: 1), [shape],
            new GradientCheckOptions { BatchSize = 1 });
        var images = new float[shape.Length];
        foreach (int place in s_large)
            images[place] = 1e38f;
        float[] filters = [.. Enumerable.Repeat(1e-3f, 16 * 16 * 9)];
        LayerReport report = check.Real([backend], [images], [filters, new float[16]]).Single();
        Assert.That(report.Remark.Contains("Precision.Accurate (--precision accurate)", StringComparison.Ordinal),
            Is.EqualTo(algorithm != SumAlgorithm.Direct));
    }

    [Test]
    public void ALayerOfDirectSumsGetsNoSuchAdvice()
    {
        using var backend = new ManagedBackend();
        using IExecutable network = backend.CompileInference(Graph, 2);
        network.Initialize(new HeNormal(1));
        network.Write(network.Graph["conv2"].Parameters[1], [float.NaN, .. new float[15]]);
        Assert.That(NonFiniteOrigin.Find(network, Data().Inputs, pass: null).Advice, Is.Empty);
    }

    // conv1 copies the image, one value of which is near the end of the range, to 16 channels; conv2 keeps the centre
    // alone.
    private static void MakeLarge(NativePlan network)
    {
        network.Write(network.Graph["conv1"].Parameters[0], [.. Enumerable.Repeat(1f, 16)]);
        float[] filters = new float[network.Graph["conv2"].Parameters[0].Length];
        for (int i = 4; i < filters.Length; i += 9)
            filters[i] = 1e-3f;
        network.Write(network.Graph["conv2"].Parameters[0], filters);
        network.Write(network.Graph["linear1"].Parameters[0],
            [.. Enumerable.Repeat(1e-30f, network.Graph["linear1"].Parameters[0].Length)]);
    }

    private static ArrayDataset Data()
    {
        var images = new float[2 * s_shape.Length];
        foreach (int place in s_large)
            images[place] = 1e38f;
        return new ArrayDataset(s_shape, 2, images, [0, 1]);
    }
}
