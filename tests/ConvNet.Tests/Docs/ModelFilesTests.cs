using System.Text.RegularExpressions;
using ConvNet.Serialization;
using NUnit.Framework;

namespace ConvNet.Tests.Docs;

/// <summary>What docs/model-files.md shows is what is read and written.</summary>
public sealed partial class ModelFilesTests
{
    private static readonly string s_page = File.ReadAllText(Repository.Path("docs", "model-files.md"));

    [Test]
    public void TheExampleIsAGraph()
    {
        Graph graph = GraphJson.Read(JsonBlock().Match(s_page).Groups[1].Value);
        Assert.That(graph["add1"].Inputs.Select(node => node.Name), Is.EqualTo((string[])["bn1", "maxpool1"]));
        Assert.That(graph.Output.Shape, Is.EqualTo(Shape.Vector(10)));
    }

    [Test]
    public void TheTableListsEveryAttributeOfEveryLayer()
    {
        foreach (Layer layer in (Layer[])[new Conv2d(1, 1), new MaxPool2d(1), new AvgPool2d(1), new Dense(1), new BatchNorm2d(), new Dropout(), new Relu(), new GlobalAvgPool2d(), new Flatten(), new Add()])
        {
            var graph = new Graph(Shape.Vector(1));
            graph.Add(layer, layer is Add ? [graph.Input, graph.Input] : [graph.Input]);
            Assert.That(s_page, Does.Contain($"`{layer.Kind}`"));
            foreach (Match attribute in Attribute().Matches(GraphJson.Write(graph)))
                Assert.That(s_page, Does.Contain($"`{attribute.Groups[1].Value}`").Or.Contain($"\"{attribute.Groups[1].Value}\""));
        }
    }

    [GeneratedRegex("```json\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex JsonBlock();

    [GeneratedRegex("\"([a-zA-Z]+)\":")]
    private static partial Regex Attribute();
}
