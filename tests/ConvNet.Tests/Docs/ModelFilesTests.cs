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

    [GeneratedRegex("```json\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex JsonBlock();
}
