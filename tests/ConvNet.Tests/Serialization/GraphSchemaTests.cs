using System.Text.Json;
using ConvNet.Models;
using ConvNet.Serialization;
using ConvNet.Tests.Cli;
using Json.Schema;
using NUnit.Framework;

namespace ConvNet.Tests.Serialization;

/// <summary>The schema of graph files accepts what the reader accepts, and rejects what it rejects.</summary>
public sealed class GraphSchemaTests
{
    private static readonly JsonSchema s_schema = JsonSchema.FromText(GraphJson.Schema());

    private static IEnumerable<string> ModelNames => BuiltInModels.Names;

    private static IEnumerable<LayerDeclaration> Layers => LayerSet.BuiltIn.Declarations;

    [Test]
    public void TheToolPrintsIt() => Assert.That(CommandLine.Run("schema").Output.TrimEnd(),
        Is.EqualTo(GraphJson.Schema()));

    [TestCaseSource(nameof(ModelNames))]
    public void EveryBuiltInModelIsValid(string name)
        => Assert.That(IsValid(GraphJson.Write(BuiltInModels.Create(name))));

    [TestCaseSource(typeof(GraphCases), nameof(GraphCases.Patterns))]
    public void EveryPatternIsValid(GraphCase graph) => Assert.That(IsValid(GraphJson.Write(graph.Build())));

    [TestCaseSource(nameof(Layers))]
    public void EveryExampleOfALayerIsValid(LayerDeclaration layer)
    {
        foreach (LayerExample example in layer.Examples)
        {
            var graph = new Graph();
            Node[] inputs = [.. example.Inputs.Select((shape, i) => graph.AddInput($"x{i}", shape))];
            graph.Add(example.Layer, inputs);
            Assert.That(IsValid(GraphJson.Write(graph)), example.Name);
        }
    }

    [TestCase("""{ "layer": "conv", "outChannels": 6, "kernelSize": 5 }""", true)]
    [TestCase("""{ "layer": "conv", "filters": 6, "kernel": [5, 3], "roundDown": true }""", true)]
    [TestCase("""{ "layer": "conv", "outChannels": 6 }""", false)]
    [TestCase("""{ "layer": "conv", "outChannels": 0, "kernelSize": 5 }""", false)]
    [TestCase("""{ "layer": "conv", "outChannels": 6.5, "kernelSize": 5 }""", false)]
    [TestCase("""{ "layer": "conv", "outChannels": 6, "kernelSize": [5, 3, 3] }""", false)]
    [TestCase("""{ "layer": "conv", "outChannels": 6, "kernelSize": 5, "padding": [1, 2, 0, 1] }""", true)]
    [TestCase("""{ "layer": "conv", "outChannels": 6, "kernelSize": 5, "padding": -1 }""", false)]
    [TestCase("""{ "layer": "conv", "outChannels": 6, "kernelSize": 5, "rounding": "up" }""", false)]
    [TestCase("""{ "layer": "conv", "outChannels": 6, "kernelSize": 5, "bias": 0 }""", false)]
    [TestCase("""{ "layer": "conv", "outChannels": 6, "kernelSize": 5, "colour": 1 }""", false)]
    [TestCase("""{ "layer": "bn", "momentum": 1, "epsilon": 1e-3 }""", true)]
    [TestCase("""{ "layer": "bn", "epsilon": 0 }""", false)]
    [TestCase("""{ "layer": "wave" }""", false)]
    [TestCase("""{ "outChannels": 6, "kernelSize": 5 }""", false)]
    public void ItAgreesWithTheReader(string node, bool valid)
    {
        string json = $$"""{ "format": "convnet-graph", "version": 1, "input": [1, 28, 28], "nodes": [{{node}}] }""";
        Assert.That(() => GraphJson.Read(json), valid ? Throws.Nothing : Throws.TypeOf<InvalidDataException>());
        Assert.That(IsValid(json), Is.EqualTo(valid));
    }

    [TestCase("""{ "version": 1, "nodes": [{ "layer": "relu" }] }""")]
    [TestCase("""{ "format": "convnet-graph", "version": 2, "nodes": [{ "layer": "relu" }] }""")]
    [TestCase("""{ "format": "convnet-graph", "version": 1, "nodes": [] }""")]
    [TestCase("""{ "format": "convnet-graph", "version": 1, "input": [1, 28], "nodes": [{ "layer": "relu" }] }""")]
    public void ADocumentThatTheReaderRejectsIsNotValid(string json)
    {
        Assert.That(() => GraphJson.Read(json), Throws.TypeOf<InvalidDataException>());
        Assert.That(IsValid(json), Is.False);
    }

    [Test]
    public void AFileMayNameItsSchema()
    {
        const string Json = """
            { "$schema": "graph.schema.json", "format": "convnet-graph", "version": 1, "input": [1, 2, 2],
              "nodes": [{ "layer": "relu" }] }
            """;
        Assert.That(GraphJson.Read(Json).Output.Name, Is.EqualTo("relu1"));
        Assert.That(IsValid(Json));
    }

    private static bool IsValid(string json)
    {
        using var document = JsonDocument.Parse(json);
        return s_schema.Evaluate(document.RootElement).IsValid;
    }
}
