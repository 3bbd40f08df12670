using ConvNet.Data;
using ConvNet.GradientChecking;
using ConvNet.Models;
using ConvNet.Onnx;
using NUnit.Framework;
using Onnx;

namespace ConvNet.Tests.Onnx;

/// <summary>The options of the export, judged by ONNX Runtime.</summary>
public sealed class OnnxExportTests
{
    private static readonly string[] s_changed = ["gelu", "mish", "upsample", "adaptivemaxpool"];

    private static IEnumerable<LayerCase> Changed => LayerCases.All.Where(each => s_changed.Contains(each.Layer.Kind));

    [Test]
    public void OperatorsThatCameLaterAreComposedOfOlderOnes([ValueSource(nameof(Changed))] LayerCase each,
        [Values(17, 18, 24)] int operatorSet)
    {
        using var backend = new OnnxRuntimeBackend(export: new OnnxExportOptions { OperatorSet = operatorSet });
        GradientReport report = new LayerGradientCase(each.Layer, each.Inputs,
            new GradientCheckOptions { BatchSize = each.N }).Run([backend]);
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Pass), $"{report}");
    }

    [Test]
    public void EveryChangedKindHasCases() => Assert.That(Changed.Select(each => each.Layer.Kind).Distinct(),
        Is.EquivalentTo(s_changed));

    [Test]
    public void FoldedNetworksComputeTheSame([Values("resnet20", "mobilenet_v2", "densenet121", "unet")] string name,
        [Values(17, 24)] int operatorSet)
    {
        Graph graph = BuiltInModels.Create(name, name == "unet" ? new Shape(1, 32, 32) : new Shape(3, 32, 32), 10);
        (float[] plain, int norms) = Scores(graph, new OnnxExportOptions { OperatorSet = operatorSet });
        (float[] folded, int left) = Scores(graph, new OnnxExportOptions
        {
            OperatorSet = operatorSet,
            FoldBatchNorm = true,
        });
        float most = plain.Max(Math.Abs);
        Assert.Multiple(() =>
        {
            // In a DenseNet most normalisations stand before the convolutions.
            Assert.That(left, name == "densenet121" ? Is.LessThan(norms) : Is.Zero);
            Assert.That(folded, Is.EqualTo(plain).Within(1e-4f * most));
        });
    }

    [Test]
    public void ANormalizationThatSeveralReadIsNotFolded()
    {
        static Graph Made(bool isOutput)
        {
            var graph = new Graph(new Shape(2, 4, 4));
            Node conv = graph.Add(new Conv2d(3, 1), graph.Input), norm = graph.Add(new BatchNorm2d(), conv);
            if (isOutput)
                graph.SetOutputs(conv, norm);
            else
                graph.Add(new Add(), conv, norm);
            return graph;
        }
        var folding = new OnnxExportOptions { FoldBatchNorm = true };
        Assert.Multiple(() =>
        {
            Assert.That(Operators(Made(isOutput: false), folding), Does.Contain("BatchNormalization"));
            Assert.That(Operators(Made(isOutput: true), folding), Does.Contain("BatchNormalization"));
        });
    }

    [Test]
    public void ANormalizationBehindAPoolThatIsWrittenAsAConvolutionIsNotFolded()
    {
        Graph graph = Sequential.Of(new Shape(3, 6, 6), new AvgPool2d(2, divisorOverride: 3), new BatchNorm2d());
        (float[] plain, _) = Scores(graph, new OnnxExportOptions());
        (float[] folded, int norms) = Scores(graph, new OnnxExportOptions { FoldBatchNorm = true });
        Assert.Multiple(() =>
        {
            Assert.That(norms, Is.EqualTo(1));
            Assert.That(folded, Is.EqualTo(plain));
        });
    }

    [TestCase(null, 0)]
    [TestCase(3, 3)]
    public void ValuesThatAreMissingAreRefused(int? length, int given)
        => Assert.That(() => OnnxExport.Write(Sequential.Of(new Shape(3, 5, 4), new Conv2d(2, 1)),
            _ => length is { } n ? new float[n] : null!), Throws.ArgumentException.With.Message.Contains(
                $"conv1.weight (2×3×1×1) was given {given} values; it has 6"));

    [Test]
    public void AModelNormalizesItsPixelsWithTheSameBits()
    {
        Shape shape = new(3, 5, 4);
        Graph graph = Sequential.Of(shape, new Conv2d(2, 1));
        var normalization = new Normalization(255, [0.485f, 0.456f, 0.406f], [0.229f, 0.224f, 0.225f]);
        float[] pixels = [.. Samples.Integers(shape.Length, 3).Select(value => MathF.Abs(value * 17) % 256)],
            normalized = new float[pixels.Length];
        normalization.Apply(shape, pixels, normalized, new RandomSequence(seed: 0, node: 0));
        float[] inside = Run(graph, new OnnxExportOptions { Normalization = normalization }, pixels),
            outside = Run(graph, new OnnxExportOptions(), normalized);
        ModelProto model = Model(graph, new OnnxExportOptions { Normalization = normalization });
        Assert.Multiple(() =>
        {
            Assert.That(inside, Is.EqualTo(outside));
            Assert.That(model.Graph.Input.Single().Name, Is.EqualTo("pixels"));
            Assert.That(() => Model(Sequential.Of(new Shape(1, 5, 4), new Relu()), new OnnxExportOptions
            {
                Normalization = normalization,
            }), Throws.ArgumentException.With.Message.Contains("3 channels"));
        });
    }

    [Test]
    public void ParametersKeepTheirNamesAndMetadataHasTheClasses()
    {
        Graph graph = BuiltInModels.Create("resnet20");
        ModelProto model = Model(graph, new OnnxExportOptions { ClassNames = ["cat", "größer \"dog\""] });
        Assert.Multiple(() =>
        {
            Assert.That(model.Graph.Initializer.Select(tensor => tensor.Name).Except(["avgpool.shape"]),
                Is.EquivalentTo(graph.Parameters.Where(parameter => parameter.Role != ParameterRole.BatchCount)
                    .Select(parameter => parameter.Name)));
            Assert.That(System.Text.Json.JsonSerializer.Deserialize<string[]>(model.MetadataProps.Single().Value),
                Is.EqualTo((string[])["cat", "größer \"dog\""]));
        });
    }

    [TestCase(16)]
    [TestCase(25)]
    public void OtherOperatorSetsAreRefused(int operatorSet) => Assert.That(
        () => Model(Sequential.Of(new Shape(1, 1, 1), new Relu()), new OnnxExportOptions { OperatorSet = operatorSet }),
        Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("17 to 24"));

    private static ModelProto Model(Graph graph, OnnxExportOptions options)
        => OnnxExport.Model(graph, parameter => Samples.ParameterValues(parameter, parameter.Index), options);

    private static IEnumerable<string> Operators(Graph graph, OnnxExportOptions options)
        => Model(graph, options).Graph.Node.Select(node => node.OpType);

    private static (float[] Values, int Norms) Scores(Graph graph, OnnxExportOptions options)
        => (Run(graph, options, Samples.Uniform(2 * graph.Input.Shape.Length, 7)),
            Operators(graph, options).Count(type => type == "BatchNormalization"));

    private static float[] Run(Graph graph, OnnxExportOptions options, float[] input)
    {
        using var backend = new OnnxRuntimeBackend(export: options);
        using IExecutable network = backend.CompileInference(graph, 2);
        network.Initialize(new HeNormal(1));
        foreach (Parameter parameter in graph.Parameters.Where(p => !p.Trainable && p.Role is
            ParameterRole.RunningMean or ParameterRole.RunningVariance))
            network.Write(parameter, [.. Samples.Uniform(parameter.Length, parameter.Index)
                .Select(value => parameter.Role == ParameterRole.RunningMean ? value : 1 + value / 2)]);
        var output = new float[input.Length / graph.Input.Shape.Length * graph.Output.Shape.Length];
        network.Infer(input, output);
        return output;
    }
}
