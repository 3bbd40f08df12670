using ConvNet.GradientChecking;
using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Onnx;

/// <summary>ONNX Runtime computes what the exported graphs say: every layer and network, with and without its
/// optimisations.</summary>
[TestFixture(true)]
[TestFixture(false)]
public sealed class OnnxRuntimeTests(bool optimizes)
{
    private OnnxRuntimeBackend _backend = null!;

    [OneTimeSetUp]
    public void Start() => _backend = new OnnxRuntimeBackend(threads: 2, optimizes);

    [OneTimeTearDown]
    public void Stop() => _backend.Dispose();

    [TestCaseSource(typeof(LayerCases), nameof(LayerCases.All))]
    public void EveryLayerIsRight(LayerCase each)
        => Check(new LayerGradientCase(each.Layer, each.Inputs, new GradientCheckOptions { BatchSize = each.N }));

    [Test]
    public void RandomLayersAreRight()
    {
        for (ulong seed = 1; seed <= 150; seed++)
        {
            LayerGradientCase made = RandomCases.Layer(seed);
            try
            {
                Check(made);
            }
            catch (NotSupportedException reason)
            {
                Assert.That(reason.Message, Does.Contain("refuses an output padding"));
            }
        }
    }

    [Test]
    public void AnOutputPaddingThatOnnxRuntimeRefusesIsNamed()
        => Assert.That(() => _backend.CompileInference(Sequential.Of(new Shape(6, 2, 3),
            new ConvTranspose2d(4, 3, stride: 2, dilation: 3, outputPadding: 2)), 1),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains(
                "convtranspose1: onnxruntime refuses an output padding of 2×2, because it is not below the stride"));

    [Test]
    public void RandomGraphsAreRight()
    {
        for (ulong seed = 1; seed <= 40; seed++)
            Check(RandomCases.Graph(seed));
    }

    [Test]
    public void APixelThatIsNormalizedStaysAMap([Values] LayerNormAxes over)
    {
        Graph graph = Sequential.Of(new Shape(3, 2, 2), new Conv2d(4, 2), new LayerNorm(over), new Conv2d(5, 1));
        Check(new GraphGradientCase(graph, new GradientCheckOptions { BatchSize = 3 }));
    }

    [TestCase("lenet5")]
    [TestCase("digits")]
    [TestCase("resnet20")]
    public void ModelsAreRight(string name)
    {
        GradientReport report = Check(new GraphGradientCase(BuiltInModels.Create(name),
            new GradientCheckOptions
            {
                BatchSize = 2,
                Modes = CheckModes.Exact | CheckModes.Segments | CheckModes.EndToEnd,
            }));
        Assert.That(report.Layers.Select(layer => layer.Mode).Distinct(), Is.EquivalentTo(
            (CheckModes[])[CheckModes.Exact, CheckModes.Segments, CheckModes.EndToEnd]));
    }

    [Test]
    public void CompileForTrainingNamesTheWayOut()
        => Assert.That(() => _backend.Compile(Sequential.Of(new Shape(1, 1, 1), new Relu()),
            new TrainingSpec(1, new MeanSquaredError(), new Sgd())),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("CompileInference"));

    [Test]
    public void ALayerWithoutOnnxNodesIsNamed()
        => Assert.That(() => _backend.CompileInference(Sequential.Of(new Shape(1, 1, 1), new Doubled()), 1),
            Throws.TypeOf<NotSupportedException>().With.Message.Contains("doubled1 is a Doubled"));

    private GradientReport Check(GradientCase made)
    {
        GradientReport report = made.Run([_backend]);
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Pass), $"{made}\n{report}");
        Assert.That(report.ForwardOnly, Does.StartWith("forward only: of onnxruntime/"));
        return report;
    }

    private sealed record Doubled : Layer
    {
        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

        public override void Forward<T>(in Frame<T> f)
        {
            for (int i = 0; i < f.Y.Length; i++)
                f.Y[i] = f.X(0)[i] + f.X(0)[i];
        }

        public override void Backward<T>(in Frame<T> f)
        {
            for (int i = 0; f.WantsDX(0) && i < f.DY.Length; i++)
                f.DX(0)[i] = f.DY[i] + f.DY[i];
        }
    }
}
