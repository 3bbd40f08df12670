using ConvNet.Models;
using ConvNet.Serialization;
using ConvNet.Summaries;
using NUnit.Framework;

namespace ConvNet.Tests.Serialization;

public sealed class GraphJsonTests
{
    [TestCaseSource(typeof(BuiltInModels), nameof(BuiltInModels.Names))]
    public void ABuiltInModelComesBackAsItWas(string name) => ComesBack(BuiltInModels.Create(name));

    [Test]
    public void EveryAttributeOfEveryLayerComesBack()
    {
        var graph = new Graph(new Shape(4, 23, 17));
        Node x = graph.Add("first",
            new Conv2d(6, (5, 3), (2, 1), (1, 2, 0, 3), (2, 3), groups: 2, bias: false, rounding: Rounding.Floor),
            graph.Input);
        x = graph.Add(new BatchNorm2d(0.3f, 1e-3f), x);
        x = graph.Add(new MaxPool2d((3, 2), (2, 1), (1, 0, 0, 1), rounding: Rounding.Ceiling), x);
        x = graph.Add(new AvgPool2d((2, 3), (1, 2), (1, 0), rounding: Rounding.Floor, countIncludePad: false), x);
        x = graph.Add("sum", new Add(), graph.Add(new Relu(), x), x, x);
        x = graph.Add(new Dropout(0.25f), graph.Add(new Flatten(), x));
        graph.Add(new Linear(3, bias: false), x);
        ComesBack(graph);
        var pooled = Sequential.Of(new Shape(2, 5, 5), new Conv2d(2, 3), new GlobalAvgPool2d());
        ComesBack(pooled);
    }

    [TestCaseSource(typeof(GraphCases), nameof(GraphCases.Patterns))]
    public void InputsAndOutputsComeBack(GraphCase graph) => ComesBack(graph.Build());

    [Test]
    public void InputsStandAmongTheNodesAndOutputsHaveNames()
    {
        Graph graph = GraphJson.Read("""
            { "format": "convnet-graph", "version": 1, "nodes": [
              { "name": "image", "input": [3, 8, 8] }, { "layer": "gap" }, { "name": "position", "input": [2, 1, 1] },
              { "layer": "concat", "inputs": ["gap1", "position"] },
              { "name": "class", "layer": "linear", "outFeatures": 10 },
              { "name": "box", "layer": "linear", "outFeatures": 4, "inputs": ["concat1"] } ],
              "outputs": ["class", "box"] }
            """);
        Assert.That(graph.Inputs.Select(input => $"{input.Name} {input.Shape}"),
            Is.EqualTo(new[] { "image 3×8×8", "position 2×1×1" }));
        Assert.That(graph.Outputs.Select(output => output.Name), Is.EqualTo(new[] { "class", "box" }));
        Assert.That(graph["position"].Index, Is.EqualTo(2), "random masks depend on the place of a node");
        ComesBack(graph);
        Assert.That(GraphJson.Write(BuiltInModels.Create("lenet5")), Does.Contain("\"input\": [")
            .And.Not.Contains("outputs"), "one input and one output have the short form");
    }

    [TestCase("""{ "layer": "relu" }], "outputs": ["relu2"]""", "\"outputs\" names \"relu2\"")]
    [TestCase("""{ "layer": "relu" }], "outputs": ["relu1", "relu1"]""", "\"relu1\" was passed twice")]
    [TestCase("""{ "name": "input", "input": [1, 1, 1] }]""", "already has a node \"input\"")]
    [TestCase("""{ "name": "x", "input": [1, 1] }]""", "nodes[0]: \"input\" must be")]
    [TestCase("""{ "name": "x", "input": [1, 1, 1], "layer": "relu" }]""", "nodes[0]: \"layer\" is unknown")]
    public void AWrongInputOrOutputIsNamed(string rest, string words)
        => Assert.That(() => GraphJson.Read(
            $$"""{ "format": "convnet-graph", "version": 1, "input": [1, 28, 28], "nodes": [{{rest}} }""",
            "model.json"),
            Throws.TypeOf<InvalidDataException>().With.Message.StartsWith("model.json").And.Message.Contains(words));

    [Test]
    public void TheShortFormTakesTheDefaults()
    {
        Graph graph = Parse("""
            { "layer": "conv", "outChannels": 6, "kernelSize": [5, 3], "padding": [2, 1] },
            { "layer": "maxpool", "kernelSize": 2 },
            { "layer": "flatten" }, { "name": "scores", "layer": "linear", "outFeatures": 10 }
            """);
        Assert.That(graph.LayerNodes.Select(node => node.Layer),
            Is.EqualTo((Layer[])[new Conv2d(6, (5, 3), padding: (2, 1)), new MaxPool2d(2), new Flatten(),
                new Linear(10)]));
        Assert.That(graph.Nodes.Select(node => node.Name),
            Is.EqualTo((string[])["input", "conv1", "maxpool1", "flatten1", "scores"]));
    }

    [Test]
    public void FilesWithFormerNamesAreRead()
    {
        Graph graph = Parse("""
            { "layer": "conv", "filters": 6, "kernel": 5 }, { "layer": "convtranspose", "filters": 3, "kernel": 3 },
            { "layer": "maxpool", "kernel": 2 },
            { "layer": "avgpool", "kernel": 2, "roundDown": true, "countPadding": false },
            { "layer": "flatten" }, { "layer": "dense", "units": 10 }
            """);
        Assert.That(graph.LayerNodes.Select(node => node.Layer),
            Is.EqualTo((Layer[])[new Conv2d(6, 5), new ConvTranspose2d(3, 3), new MaxPool2d(2),
                new AvgPool2d(2, rounding: Rounding.Floor, countIncludePad: false), new Flatten(), new Linear(10)]));
    }

    [TestCase("""{ "layer": "conv", "outChannels": 6, "filters": 6, "kernelSize": 5 }""",
        "\"filters\" is unknown")]
    [TestCase("""{ "layer": "conv", "outChannels": 6, "kernelSize": 5, "padding": [1, 2, 3] }""",
        "\"padding\" is [1, 2, 3]; it must be a number, [rows, columns] or [top, left, bottom, right].")]
    [TestCase("""{ "layer": "conv", "outChannels": 6, "kernelSize": 5, "padding": [1, 2, 3, -4] }""",
        "must not be negative")]
    [TestCase("""{ "layer": "conv", "outChannels": 6, "kernelSize": 5, "rounding": "ceiling" }""",
        "\"rounding\" is \"ceiling\"; it must be one of exact, floor.")]
    [TestCase("""{ "layer": "maxpool", "kernelSize": 5, "rounding": "up" }""",
        "\"rounding\" is \"up\"; it must be one of exact, floor, ceiling.")]
    [TestCase("""{ "layer": "cnov" }""", "nodes[0]: the layer \"cnov\" is unknown; use one of conv, ")]
    [TestCase("""{ "layer": "relu", "slope": 1 }""", "nodes[0]: \"slope\" is unknown")]
    [TestCase("""{ "layer": "relu" }, { "layer": "conv", "outChannels": 6 }""", "nodes[1]: \"kernelSize\" is missing")]
    [TestCase("""{ "layer": "conv", "kernelSize": 3 }""", "\"outChannels\" is missing")]
    [TestCase("""{ "layer": "conv", "outChannels": 2.5, "kernelSize": 3 }""",
        "\"outChannels\" is 2.5; it must be a whole number")]
    [TestCase("""{ "layer": "conv", "outChannels": 2, "kernelSize": [3] }""",
        "\"kernelSize\" is [3]; it must be a number or [rows, columns]")]
    [TestCase("""{ "layer": "conv", "outChannels": 2, "kernelSize": "3" }""",
        "\"kernelSize\" is \"3\"; it must be a whole number")]
    [TestCase("""{ "layer": "conv", "outChannels": 2, "kernelSize": 3, "bias": 0 }""",
        "\"bias\" is 0; it must be true or false")]
    [TestCase("""{ "layer": "conv", "outChannels": 99999999999, "kernelSize": 3 }""", "must be a whole number")]
    [TestCase("""{ "layer": "conv", "outChannels": -1, "kernelSize": 3 }""", "nodes[0]: ")]
    [TestCase("""{ "layer": "conv", "outChannels": 2, "kernelSize": 3, "stride": 4 }""", "W = 28, F = 3, S = 4, P = 0")]
    [TestCase("""{ "layer": "dropout", "probability": 1e99 }""", "\"probability\" is 1e99; it must be a number")]
    [TestCase("""{ "layer": "dropout", "probability": 1 }""", "probability 1 is not in [0, 1)")]
    [TestCase("""{ "layer": "relu", "inputs": ["relu2"] }, { "layer": "relu" }""",
        "there is no earlier node \"relu2\"")]
    [TestCase("""{ "layer": "relu", "inputs": "input" }""", "\"inputs\" is \"input\"; it must be a list")]
    [TestCase("""{ "layer": "relu", "name": "input" }""", "already has a node \"input\"")]
    [TestCase("""{ "layer": "add" }""", "add needs at least two inputs")]
    [TestCase("""{ "layer": "relu", "layer": "relu" }""", "is not valid JSON")]
    [TestCase("""7""", "nodes[0]: expected an object, found 7")]
    [TestCase("""{ "layer": 7 }""", "\"layer\" is 7; it must be a string")]
    [TestCase("""{ "layer": "relu" }, { "layer": "tanh", "inputs": ["input"] }""",
        "no layer reads \"relu1\" and \"tanh1\", so it is not known which of them are outputs. Name the outputs, as in "
        + "\"outputs\": [\"tanh1\"]")]
    [TestCase("", "\"nodes\" contains no layer")]
    public void AWrongNodeIsNamedWithItsPlace(string nodes, string words)
        => Assert.That(() => Parse(nodes), Throws.TypeOf<InvalidDataException>().With.Message.StartsWith("model.json")
            .And.Message.Contains(words));

    [TestCase("""[]""", "expected an object")]
    [TestCase("""{ "version": 1 }""", "\"format\" is missing")]
    [TestCase("""{ "format": "onnx", "version": 1 }""", "\"format\" is \"onnx\"")]
    [TestCase("""{ "format": "convnet-graph" }""", "\"version\" is missing")]
    [TestCase("""{ "format": "convnet-graph", "version": 2 }""", "version 2 of the format is not supported")]
    [TestCase("""{ "format": "convnet-graph", "version": 1 }""", "\"input\" must be")]
    [TestCase("""{ "format": "convnet-graph", "version": 1, "input": [1, 0, 28], "nodes": [] }""", "\"input\" must be")]
    [TestCase("""{ "format": "convnet-graph", "version": 1, "input": [1, 28, 28], "nodes": [], "edges": [] }""",
        "\"edges\" is unknown")]
    [TestCase("""
        { "format": "convnet-graph", "version": 1, "input": [2000000, 2000, 2000], "nodes": [{ "layer": "relu" }] }
        """, "too large")]
    public void AWrongDocumentIsNamed(string json, string words)
        => Assert.That(() => GraphJson.Read(json, "model.json"), Throws.TypeOf<InvalidDataException>()
            .With.Message.StartsWith("model.json").And.Message.Contains(words));

    [Test]
    public void AHostileSizeGivesAGraphOrOneError(
        [Values("outChannels", "kernelSize", "stride", "padding", "dilation", "groups", "outFeatures", "input")]
        string attribute,
        [Values(0, -1, 3, 46_341, 1 << 20, int.MaxValue)] int size)
    {
        var sizes = new Dictionary<string, int>
        {
            ["outChannels"] = 6,
            ["kernel"] = 1,
            ["stride"] = 1,
            ["padding"] = 0,
            ["dilation"] = 1,
            ["groups"] = 1,
            ["outFeatures"] = 2,
            ["input"] = 6,
            [attribute] = size,
        };
        string window = string.Join(", ", sizes.Where(pair => pair.Key is "kernelSize" or "stride" or "padding")
            .Select(pair => $"\"{pair.Key}\": {pair.Value}"));
        string json = $$"""
            { "format": "convnet-graph", "version": 1, "input": [{{sizes["input"]}}, 4, 4], "nodes": [
              { "layer": "conv", "outChannels": {{sizes["outChannels"]}}, {{window}}, "dilation": {{sizes["dilation"]}},
                  "groups": {{sizes["groups"]}}, "roundDown": true },
              { "layer": "maxpool", {{window}}, "roundDown": true },
                  { "layer": "avgpool", {{window}}, "roundDown": true },
              { "layer": "flatten" }, { "layer": "linear", "outFeatures": {{sizes["outFeatures"]}} } ] }
            """;
        try
        {
            var summary = ModelSummary.Of(GraphJson.Read(json));
            Assert.That(summary.Parameters, Is.Not.Negative);
            Assert.That(summary.MultiplyAdds, Is.Not.Negative);
        }
        catch (InvalidDataException error)
        {
            Assert.That(error.Message, Does.StartWith("graph"));
        }
    }

    [Test]
    public void ATextCutShortAnywhereIsRefused()
    {
        string json = GraphJson.Write(BuiltInModels.Create("digits"));
        for (int length = 0; length < json.Length; length++)
            Assert.That(() => GraphJson.Read(json[..length]), Throws.TypeOf<InvalidDataException>(),
                $"cut to {length} characters");
    }

    [Test]
    public void ALayerOfOnesOwnHasNoFormAndIsNamed()
    {
        var graph = Sequential.Of(new Shape(1, 2, 2), new Relu(), new Negate());
        Assert.That(() => GraphJson.Write(graph), Throws.TypeOf<NotSupportedException>()
            .With.Message.Contains("\"negate1\" is a Negate"));
    }

    private static Graph Parse(string nodes)
        => GraphJson.Read(
            $$"""{ "format": "convnet-graph", "version": 1, "input": [1, 28, 28], "nodes": [{{nodes}}] }""",
            "model.json");

    private static void ComesBack(Graph graph)
    {
        Graph copy = GraphJson.Read(GraphJson.Write(graph));
        Assert.That(copy.Nodes.Select(Describe), Is.EqualTo(graph.Nodes.Select(Describe)));
        Assert.That(copy.Nodes.Select(node => node.Layer), Is.EqualTo(graph.Nodes.Select(node => node.Layer)));
        Assert.That(copy.Inputs.Concat(copy.Outputs).Select(node => node.Name),
            Is.EqualTo(graph.Inputs.Concat(graph.Outputs).Select(node => node.Name)));

        static string Describe(Node node) => $"{node.Name} reads "
            + $"{string.Join(" ", node.Inputs.Select(input => input.Name))} gives {node.Shape}";
    }

    /// <summary>A layer of one's own: y = −x.</summary>
    private sealed record Negate : Layer
    {
        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

        public override void Forward<T>(in Frame<T> f)
        {
            for (int i = 0; i < f.Y.Length; i++)
                f.Y[i] = -f.X(0)[i];
        }

        public override void Backward<T>(in Frame<T> f)
        {
            for (int i = 0; i < f.DY.Length; i++)
                f.DX(0)[i] = -f.DY[i];
        }
    }
}
