using System.Text.RegularExpressions;
using ConvNet.GradientChecking;
using ConvNet.Models;
using ConvNet.Onnx;
using ConvNet.Serialization;
using NUnit.Framework;
using Onnx;

namespace ConvNet.Tests.Onnx;

/// <summary>What is exported comes back: the same layers with the same bits, which are exported as the same
/// file.</summary>
public sealed partial class OnnxRoundTripTests
{
    // Larger networks are made thinner, so that their weights take no gigabytes.
    private const int MostParameters = 6_000_000;

    private static IEnumerable<string> Models => BuiltInModels.Names;

    [Test]
    public void EveryModelComesBack([ValueSource(nameof(Models))] string name)
        => ComesBack(Thin(BuiltInModels.Create(name)), OnnxExportOptions.OldestOperatorSet);

    [Test]
    public void EveryLayerComesBack([Values(17, 24)] int operatorSet)
    {
        Assert.Multiple(() =>
        {
            foreach (LayerCase each in LayerCases.All)
            {
                var graph = new Graph();
                Node[] inputs = [.. each.Inputs.Select((shape, i) => graph.AddInput($"x{i}", shape))];
                if (!IsAnotherLayerInOnnx(graph.Add(each.Layer, inputs)))
                    ComesBack(graph, operatorSet, $"{each}");
            }
        });
    }

    [Test]
    public void RandomGraphsComeBack()
    {
        Assert.Multiple(() =>
        {
            for (ulong seed = 1; seed <= 60; seed++)
            {
                Graph graph = RandomCases.Graph(seed).Graph;
                if (!graph.LayerNodes.Any(IsAnotherLayerInOnnx))
                    ComesBack(graph, 20, $"graph {seed}");
            }
        });
    }

    [TestCase("mobilenet_v2")]
    [TestCase("lenet5")]
    public void FoldedModelsComeBackAsFoldedModels(string name)
    {
        ModelProto folded = Export(BuiltInModels.Create(name), new OnnxExportOptions { FoldBatchNorm = true });
        ImportedModel model = folded.Import();
        Assert.That(model.Graph.LayerNodes.Any(node => node.Layer is BatchNorm2d), Is.False);
        ModelProto again = OnnxExport.Model(model.Graph, model.ValuesOf, new OnnxExportOptions());
        Assert.That(again.Graph.Node.Select(node => (node.OpType, node.Name)),
            Is.EqualTo(folded.Graph.Node.Select(node => (node.OpType, node.Name))));
    }

    [Test]
    public void NormalizationAndClassesComeBack()
    {
        var options = new OnnxExportOptions
        {
            Normalization = new(255, [0.485f, 0.456f, 0.406f], [0.229f, 0.224f, 0.225f]),
            ClassNames = ["cat", "größer \"dog\""],
        };
        Graph graph = BuiltInModels.Create("resnet20");
        ModelProto first = Export(graph, options);
        ImportedModel model = first.Import();
        Assert.Multiple(() =>
        {
            Assert.That(model.Normalization!.MaxValue, Is.EqualTo(255));
            Assert.That(model.Normalization.Mean, Is.EqualTo(options.Normalization.Mean));
            Assert.That(model.Normalization.StandardDeviation, Is.EqualTo(options.Normalization.StandardDeviation));
            Assert.That(model.ClassNames, Is.EqualTo(options.ClassNames));
            Assert.That(model.Graph.Input.Name, Is.EqualTo("input"));
            Assert.That(OnnxExport.Model(model.Graph, model.ValuesOf, options), Is.EqualTo(first));
        });
    }

    /// <summary>A network with an eighth of the channels, if it is large.</summary>
    internal static Graph Thin(Graph graph) => graph.ParameterCount <= MostParameters ? graph
        : GraphJson.Read(Widths().Replace(GraphJson.Write(graph), found
            => int.Parse(found.Groups[2].Value) is var size && size % 8 == 0 && size > 8
                ? $"{found.Groups[1].Value}{size / 8}" : found.Value));

    private static void ComesBack(Graph graph, int operatorSet, string name = "")
    {
        var options = new OnnxExportOptions { OperatorSet = operatorSet };
        ModelProto first = Export(graph, options);
        ImportedModel model;
        try
        {
            model = first.Import();
        }
        catch (OnnxImportException unsupported)
        {
            Assert.Fail($"{name}: {unsupported.Message}");
            return;
        }
        Assert.That(model.Graph.LayerNodes.Select(node => (node.Name, node.Layer!.Kind)),
            Is.EqualTo(graph.LayerNodes.Select(node => (node.Name, node.Layer!.Kind))), name);
        foreach (Parameter parameter in graph.Parameters.Where(each => each.Role != ParameterRole.BatchCount))
        {
            Parameter own = model.Graph.Parameters.Single(each => each.Name == parameter.Name);
            Assert.That(model.ValuesOf(own).AsSpan().SequenceEqual(Samples.ParameterValues(parameter,
                parameter.Index)), Is.True, $"{name}: {parameter}");
        }
        ModelProto second = OnnxExport.Model(model.Graph, model.ValuesOf, options);
        Assert.That(second.Graph.Node.Select(node => $"{node}"), Is.EqualTo(first.Graph.Node.Select(node => $"{node}")),
            name);
        Assert.That(second.Equals(first), Is.True, name);
        Assert.That(model.Constants, Is.Empty, name);
    }

    private static ModelProto Export(Graph graph, OnnxExportOptions options)
        => OnnxExport.Model(graph, parameter => Samples.ParameterValues(parameter, parameter.Index), options);

    // Sums are convolutions in ONNX.
    private static bool IsAnotherLayerInOnnx(Node node) => node.Layer is AvgPool2d { DivisorOverride: > 0 };

    [GeneratedRegex("(\"(?:outChannels|outFeatures|groups)\": ?)(\\d+)")]
    private static partial Regex Widths();
}
