using ConvNet.GradientChecking;
using ConvNet.Models;
using ConvNet.Tests.History;

namespace ConvNet.Tests;

/// <summary>A graph to check as a whole.</summary>
/// <param name="Name">What it shows.</param>
/// <param name="N">Samples.</param>
/// <param name="Build">Makes the graph.</param>
public sealed record GraphCase(string Name, int N, Func<Graph> Build)
{
    public override string ToString() => $"{Name}, batch {N}";
}

/// <summary>Every pattern of layers that a planner may fuse or lay out differently, and whole networks.</summary>
public static class GraphCases
{
    public static IEnumerable<GraphCase> Patterns =>
    [
        Chain("conv relu", 2, new(3, 6, 7), new Conv2d(17, 3, padding: 1), new Relu()),
        Chain("conv without bias, relu", 2, new(16, 5, 5), new Conv2d(16, 3, bias: false), new Relu()),
        Chain("conv relu pool", 2, new(1, 10, 12), new Conv2d(6, 5, padding: 2), new Relu(), new MaxPool2d(2)),
        Chain("conv pool relu", 4, new(3, 8, 8), new Conv2d(9, 3, padding: 1), new MaxPool2d(2), new Relu()),
        Chain("conv conv", 1, new(3, 7, 5), new Conv2d(18, 3, padding: 1), new Conv2d(5, 3, padding: 1)),
        Chain("conv of every halo", 1, new(2, 9, 9), new Conv2d(16, 7, padding: 3), new Conv2d(17, 5, padding: 2),
            new Conv2d(3, 3, padding: 1), new Conv2d(4, 1)),
        Chain("conv of padding 4 after conv", 1, new(2, 7, 6), new Conv2d(5, 3, padding: 1), new Relu(),
            new Conv2d(3, 9, padding: 4)),
        Chain("strided conv after conv", 2, new(3, 9, 9), new Conv2d(8, 3, padding: 1), new Relu(),
            new Conv2d(17, 3, stride: 2, padding: 1)),
        Chain("depthwise separable", 2, new(17, 6, 6), new Conv2d(17, 3, padding: 1, groups: 17), new Relu(),
            new Conv2d(20, 1), new Relu()),
        Chain("conv bn relu", 4, new(3, 6, 5), new Conv2d(17, 3, padding: 1, bias: false), new BatchNorm2d(),
            new Relu()),
        Chain("bottleneck: 1×1 convs, bn, relu", 4, new(18, 6, 7), new Conv2d(33, 1, bias: false), new BatchNorm2d(),
            new Relu(), new Conv2d(17, 1), new BatchNorm2d(), new Relu(), new Conv2d(4, 1)),
        Chain("depthwise separable with bn", 4, new(17, 6, 6), new Conv2d(17, 3, padding: 1, groups: 17),
            new BatchNorm2d(), new Relu(), new Conv2d(20, 1), new BatchNorm2d()),
        Chain("conv relu, pool of large windows", 2, new(1, 18, 19), new Conv2d(17, 3, padding: 1), new Relu(),
            new MaxPool2d(16, 1), new Conv2d(3, 1)),
        Chain("conv relu pool relu pool", 2, new(3, 9, 8), new Conv2d(17, 3), new Relu(), new MaxPool2d(2, 1),
            new Relu(), new MaxPool2d(3, 1), new Flatten(), new Linear(3)),
        Chain("conv bn relu pool", 4, new(3, 9, 9), new Conv2d(17, 3, padding: 1), new BatchNorm2d(), new Relu(),
            new MaxPool2d(3, 2, 1), new Conv2d(5, 3)),
        Chain("conv relu, pool rounded up", 2, new(1, 9, 11), new Conv2d(6, 3, padding: 1), new Relu(),
            new MaxPool2d(2, rounding: Rounding.Ceiling), new Conv2d(3, 2)),
        Chain("conv relu, pool padded below", 2, new(3, 9, 8), new Conv2d(17, 3, padding: 1), new Relu(),
            new MaxPool2d(3, 2, (0, 0, 1, 1), Rounding.Ceiling), new Conv2d(5, 3)),
        Chain("conv, average pool rounded up", 2, new(16, 9, 7), new Conv2d(16, 3, padding: (0, 0, 2, 2)),
            new AvgPool2d(2, 2, 0, Rounding.Ceiling), new Flatten()),
        Chain("convs padded on one side", 2, new(3, 9, 8), new Conv2d(16, 3, padding: (2, 0, 0, 2)), new Relu(),
            new Conv2d(17, 5, padding: (0, 4, 4, 0)), new Relu(), new Conv2d(4, 3, stride: 2, padding: (0, 1, 0, 0),
            rounding: Rounding.Floor)),
        Chain("conv and linear with every activation", 2, new(3, 9, 8), new Conv2d(17, 3, padding: 1),
            new LeakyRelu(0.25f), new Conv2d(16, 3, padding: 1), new Relu6(), new Conv2d(6, 3), new LeakyRelu(0.5f),
            new Flatten(), new Linear(19), new Relu6(), new Linear(9), new LeakyRelu(0.125f)),
        Chain("first conv, leaky relu, pool", 2, new(1, 10, 12), new Conv2d(6, 3, padding: 1), new LeakyRelu(0.25f),
            new MaxPool2d(2), new Conv2d(17, 3), new LeakyRelu(0.5f), new MaxPool2d(2, 1), new Flatten(),
            new Linear(3)),
        Chain("first conv, relu6, pool", 2, new(1, 10, 12), new Conv2d(6, 3, padding: 1), new Relu6(),
            new MaxPool2d(2), new Conv2d(17, 3), new Relu6(), new MaxPool2d(3, 1), new Flatten(), new Linear(3)),
        Chain("leaky relu and pools alone", 2, new(17, 9, 9), new LeakyRelu(0.25f), new MaxPool2d(3), new Relu6(),
            new AvgPool2d(2, 1), new LeakyRelu(0.5f)),
        Chain("conv, leaky relu, average pool", 2, new(3, 8, 8), new Conv2d(17, 3, padding: 1), new LeakyRelu(0.25f),
            new AvgPool2d(2), new Conv2d(3, 3)),
        Chain("conv, leaky relu, pool of large windows", 2, new(1, 18, 19), new Conv2d(17, 3, padding: 1),
            new LeakyRelu(0.25f), new MaxPool2d(16, 1), new Conv2d(3, 1)),
        Chain("depthwise with activations", 2, new(17, 6, 6), new Conv2d(17, 3, padding: 1, groups: 17), new Relu6(),
            new Conv2d(20, 1), new LeakyRelu(0.25f), new Conv2d(20, 3, padding: 1, groups: 20), new LeakyRelu(0.5f),
            new Conv2d(40, 3, padding: 1, groups: 20), new Relu6()),
        Chain("conv bn relu6, conv bn leaky relu", 4, new(3, 6, 5), new Conv2d(17, 3, padding: 1, bias: false),
            new BatchNorm2d(), new Relu6(), new Conv2d(5, 3), new BatchNorm2d(), new LeakyRelu(0.25f)),
        Chain("a leaky relu of relu6", 2, new(5, 3, 3), new Relu6(), new LeakyRelu(0.25f), new LeakyRelu(0.5f)),
        new("add leaky relu", 2, () => Residual(new LeakyRelu(0.25f))),
        new("add relu6", 2, () => Residual(new Relu6())),
        Chain("bn relu", 4, new(18, 5, 3), new BatchNorm2d(), new Relu()),
        Chain("bn first, conv", 4, new(3, 5, 5), new BatchNorm2d(), new Conv2d(4, 3)),
        Chain("relu first", 2, new(3, 6, 5), new Relu(), new Conv2d(5, 3)),
        Chain("pool first", 2, new(3, 8, 6), new MaxPool2d(2), new Conv2d(5, 3)),
        Chain("average pool first", 2, new(17, 8, 6), new AvgPool2d(2), new Relu()),
        Chain("pool of pool", 2, new(17, 9, 9), new MaxPool2d(3, stride: 1, padding: 1), new MaxPool2d(3)),
        Chain("relu of relu", 2, new(5, 3, 3), new Relu(), new Relu()),
        Chain("flatten first", 3, new(3, 4, 5), new Flatten(), new Linear(7), new Relu(), new Linear(3)),
        Chain("conv flatten linear", 2, new(3, 6, 5), new Conv2d(17, 3), new Relu(), new Flatten(), new Linear(11)),
        Chain("linear relu linear", 5, Shape.Vector(19), new Linear(33), new Relu(), new Linear(10)),
        Chain("conv on a vector", 3, Shape.Vector(17), new Conv2d(9, 1), new Relu(), new Linear(4)),
        Chain("gap linear", 4, new(17, 4, 4), new Conv2d(20, 3, padding: 1), new Relu(), new GlobalAvgPool2d(),
            new Linear(5)),
        Chain("dropout between linear", 4, Shape.Vector(20), new Linear(16), new Relu(),
            new Dropout(0.5f), new Linear(5)),
        Chain("dropout on maps", 2, new(3, 5, 5), new Conv2d(18, 3), new Dropout(0.25f), new Relu(), new Flatten()),
        Chain("conv gelu conv", 2, new(3, 6, 5), new Conv2d(17, 3, padding: 1), new Gelu(), new Conv2d(4, 3)),
        Chain("transposed convolution between convolutions", 2, new(3, 5, 4), new Conv2d(18, 3, padding: 1), new Relu(),
            new ConvTranspose2d(17, 3, 2, 1, outputPadding: 1), new Relu(), new Conv2d(3, 3, padding: 1)),
        Chain("transposed convolution, bn, relu", 4, new(5, 3, 4), new ConvTranspose2d(16, 2, 2), new BatchNorm2d(),
            new Relu(), new ConvTranspose2d(3, 3)),
        new("slices of blocks of channels", 4, SlicesOfBlocks),
        new("slices that overlap, and that leave channels out", 2, SlicesThatOverlap),
        new("channels split and shuffled", 4, ShuffleUnit),
        Chain("convs and a reshape", 2, new(3, 4, 6), new Conv2d(8, 3, padding: 1), new Relu(),
            new Reshape(new Shape(2, 8, 12)), new Conv2d(17, 3), new Reshape(Shape.Vector(17 * 6 * 10)), new Linear(3)),
        Chain("conv, dilated pool, relu", 2, new(3, 9, 8), new Conv2d(17, 3), new MaxPool2d(2, 1, dilation: 2),
            new Relu(), new Conv2d(3, 1)),
        Chain("conv, relu, pool with a divisor", 2, new(3, 9, 8), new Conv2d(17, 3), new Relu(),
            new AvgPool2d(2, rounding: Rounding.Floor, divisorOverride: 8)),
        Chain("conv, relu, adaptive pools", 2, new(3, 9, 8), new Conv2d(17, 3), new Relu(),
            new AdaptiveMaxPool2d((4, 3)), new Conv2d(18, 1), new AdaptiveAvgPool2d(2), new Flatten(), new Linear(3)),
        Chain("padded by hand and resized", 2, new(3, 5, 6), new Pad2d(1), new Conv2d(17, 3), new Relu(),
            new Upsample(2), new Pad2d((1, 2, 0, 1), PadMode.Reflect), new Conv2d(4, 3), new PixelShuffle(2),
            new Upsample(2, UpsampleMode.Bilinear), new Slice(SliceAxis.Rows, 3, 7)),
        new("concat of branches", 2, ConcatOfBranches),
        new("concat of blocks and of a value twice", 2, ConcatTwice),
        new("inception block", 4, InceptionBlock),
        new("dense block", 4, DenseBlock),
        new("add relu", 2, () => Residual(new Relu())),
        new("add of three", 2, AddOfThree),
        new("a node read twice by one", 2, TwiceByOne),
        new("a node read by three", 2, ReadByThree),
        new("shortcut from the images", 2, ShortcutFromImages),
        new("pre-activation block", 4, PreActivation),
        new("projection block", 4, ProjectionBlock),
        new("sum as second input, without relu", 4, SumAsSecondInput),
        new("relu read by groups and a sum", 2, ReluReadByGroups),
        new("two inputs in one", 2, TwoInputs),
        new("inputs of a sum, of which one is flattened", 3, InputsOfASum),
        new("outputs of every fusion", 4, OutputsOfFusions),
        new("outputs that are pooled and summed", 4, OutputsBeforePools),
        new("a value and its flattened form", 2, FlattenedOutput),
        new("two heads", 4, TwoHeads),
        new("an input is an output", 2, InputAsOutput),
        .. OfHistory,
    ];

    /// <summary>The graphs of the cases in <c>tests/history</c>.</summary>
    public static IEnumerable<GraphCase> OfHistory => from name in HistoryCases.Names
                                                      let made = HistoryCases.Load(name) as GraphGradientCase
                                                      where made is not null
                                                      select new GraphCase(name, made.Options.BatchSize,
                                                          () => ((GraphGradientCase)HistoryCases.Load(name)).Graph);

    public static IEnumerable<GraphCase> Networks =>
    [
        new("digits", 4, () => BuiltInModels.Create("digits")),
        new("lenet5", 2, () => BuiltInModels.Create("lenet5")),
        new("resnet20 on 8×8", 2, () => BuiltInModels.Create("resnet20", new Shape(3, 8, 8))),
        Chain("small", 4, new(2, 6, 6), new Conv2d(4, 3, padding: 1), new Relu(), new MaxPool2d(2), new Flatten(),
            new Linear(3)),
    ];

    public static IEnumerable<GraphCase> All => [.. Patterns, .. Networks];

    public static IEnumerable<GraphCase> WithRelu
        => All.Where(graph => graph.Build().LayerNodes.Any(node => node.Layer is Relu));

    public static GraphCase Chain(string name, int n, Shape input, params Layer[] layers)
        => new(name, n, () => Sequential.Of(input, layers));

    /// <summary>A copy of a graph with other layers.</summary>
    public static Graph Replace(Graph graph, Func<Node, Layer> layerOf)
    {
        var copy = new Graph();
        var nodes = new Dictionary<Node, Node>();
        foreach (Node node in graph.Nodes)
        {
            nodes[node] = node.Layer is null
                ? copy.AddInput(node.Name, node.Shape)
                : copy.Add(node.Name, layerOf(node), [.. node.Inputs.Select(input => nodes[input])]);
        }
        copy.SetOutputs([.. graph.Outputs.Select(output => nodes[output])]);
        return copy;
    }

    private static Graph Residual(Layer last)
    {
        var graph = new Graph(new Shape(3, 5, 6));
        Node x = graph.Add(new Conv2d(17, 3, padding: 1), graph.Input);
        Node branch = graph.Append(x, new Relu(), new Conv2d(17, 3, padding: 1));
        graph.Add(last, graph.Add(new Add(), branch, x));
        return graph;
    }

    private static Graph ConcatOfBranches()
    {
        var graph = new Graph(new Shape(3, 6, 5));
        Node x = graph.Append(graph.Input, new Conv2d(7, 3, padding: 1), new Relu());
        Node a = graph.Append(x, new Conv2d(17, 3, padding: 1), new Relu());
        Node b = graph.Append(x, new MaxPool2d(3, stride: 1, padding: 1), new Conv2d(5, 1));
        Node all = graph.Add(new Concat(), a, graph.Input, b, x);
        graph.Append(all, new Relu(), new Conv2d(4, 3), new Flatten(), new Linear(3));
        return graph;
    }

    // Halves that several layers, one layer and a sum read, and a slice of a slice.
    private static Graph SlicesOfBlocks()
    {
        var graph = new Graph(new Shape(3, 6, 5));
        Node x = graph.Append(graph.Input, new Conv2d(64, 3, padding: 1), new BatchNorm2d(), new Relu());
        Node[] parts = graph.Split(x, 16, 32, 16);
        Node a = graph.Append(parts[0], new Conv2d(16, 3, padding: 1), new Relu());
        Node inner = graph.Add(new Slice(SliceAxis.Channels, 16, 16), parts[1]);
        Node b = graph.Add(new Add(), a, graph.Append(inner, new Conv2d(16, 3, padding: 1)));
        Node c = graph.Add(new Add(), parts[2], graph.Add(new MaxPool2d(3, 1, 1), parts[2]));
        Node all = graph.Add(new Concat(), b, parts[1], c, parts[0]);
        graph.Append(all, new Conv2d(5, 1), new Flatten(), new Linear(3));
        return graph;
    }

    private static Graph SlicesThatOverlap()
    {
        var graph = new Graph(new Shape(3, 4, 5));
        Node x = graph.Append(graph.Input, new Conv2d(48, 3, padding: 1), new Relu());
        Node y = graph.Append(graph.Input, new Conv2d(48, 3, padding: 1), new Relu());
        graph.Add(new Concat(), graph.Add(new Slice(SliceAxis.Channels, 0, 32), x),
            graph.Append(graph.Add(new Slice(SliceAxis.Channels, 16, 32), x), new Conv2d(7, 1)),
            graph.Append(graph.Add(new Slice(SliceAxis.Channels, 16, 16), y), new Conv2d(5, 3, padding: 1)),
            graph.Add(new Slice(SliceAxis.Channels, 3, 7), y));
        return graph;
    }

    // Ma et al., "ShuffleNet V2", ECCV 2018, with halves that fill no blocks.
    private static Graph ShuffleUnit()
    {
        var graph = new Graph(new Shape(3, 6, 5));
        Node x = graph.Append(graph.Input, new Conv2d(34, 3, padding: 1), new Relu());
        for (int i = 0; i < 2; i++)
        {
            Node[] halves = graph.Split(x, 17, 17);
            Node right = graph.Append(halves[1], new Conv2d(17, 1), new Relu(),
                new Conv2d(17, 3, padding: 1, groups: 17), new BatchNorm2d(), new Conv2d(17, 1), new Relu());
            x = graph.Add(new ChannelShuffle(2), graph.Add(new Concat(), halves[0], right));
        }
        graph.Append(x, new GlobalAvgPool2d(), new Linear(3));
        return graph;
    }

    private static Graph ConcatTwice()
    {
        var graph = new Graph(new Shape(16, 4, 4));
        Node x = graph.Append(graph.Input, new Conv2d(16, 3, padding: 1), new Relu());
        Node both = graph.Add(new Concat(), x, x, graph.Add(new Conv2d(32, 1), x));
        graph.Append(
            graph.Add(new Concat(), graph.Append(both, new GlobalAvgPool2d()), graph.Append(both, new MaxPool2d(4))),
            new Linear(5), new Relu());
        return graph;
    }

    // Every kind of producer writes a slice; the last one has channels that fill no block.
    private static Graph InceptionBlock()
    {
        var graph = new Graph(new Shape(3, 8, 7));
        Node x = graph.Append(graph.Input, new Conv2d(16, 3, padding: 1), new BatchNorm2d(), new Relu());
        Node pooled = graph.Append(x, new MaxPool2d(3, 1, 1));
        Node mean = graph.Append(pooled, new AvgPool2d(3, 1, 1), new Relu());
        Node transposed = graph.Append(mean, new ConvTranspose2d(16, 3, padding: 1));
        Node dropped = graph.Append(transposed, new Dropout(0.25f));
        Node norm = graph.Append(dropped, new Conv2d(16, 1, bias: false), new BatchNorm2d());
        Node sum = graph.Add(new Add(), norm, graph.Append(norm, new Conv2d(16, 5, padding: 2, groups: 16)));
        Node[] branches =
        [
            graph.Append(x, new Conv2d(32, 1), new Relu()), pooled, mean, transposed, dropped, norm, sum,
            graph.Append(x, new Conv2d(5, 3, padding: 1, bias: false), new BatchNorm2d(), new Relu()),
        ];
        graph.Append(graph.Add(new Concat(), branches), new Conv2d(16, 3, padding: 1), new Relu(),
            new MaxPool2d((2, 7)), new Flatten(), new Linear(3));
        return graph;
    }

    // A concatenation is a slice of the next one, and layers read slices, as in DenseNet.
    private static Graph DenseBlock()
    {
        var graph = new Graph(new Shape(3, 6, 5));
        Node x = graph.Append(graph.Input, new Conv2d(16, 3, padding: 1));
        for (int layer = 0; layer < 3; layer++)
        {
            Node y = graph.Append(x, new BatchNorm2d(), new Relu(), new Conv2d(32, 1), new BatchNorm2d(), new Relu(),
                new Conv2d(layer == 2 ? 12 : 16, 3, padding: 1));
            x = graph.Add(new Concat(), x, y);
        }
        graph.Append(x, new BatchNorm2d(), new Relu(), new AvgPool2d(2, rounding: Rounding.Floor), new Flatten(),
            new Linear(4));
        return graph;
    }

    private static Graph AddOfThree()
    {
        var graph = new Graph(new Shape(5, 4, 4));
        Node a = graph.Add(new Conv2d(18, 3, padding: 1), graph.Input), b = graph.Add(new Conv2d(18, 1), graph.Input);
        Node c = graph.Append(graph.Input, new Relu(), new Conv2d(18, 5, padding: 2));
        graph.Append(graph.Add(new Add(), a, b, c), new Relu(), new Conv2d(3, 3));
        return graph;
    }

    private static Graph TwiceByOne()
    {
        var graph = new Graph(new Shape(3, 4, 5));
        Node x = graph.Append(graph.Input, new Conv2d(6, 3, padding: 1), new Relu());
        graph.Append(graph.Add(new Add(), x, x), new Conv2d(2, 3));
        return graph;
    }

    private static Graph ReadByThree()
    {
        var graph = new Graph(new Shape(3, 6, 6));
        Node x = graph.Append(graph.Input, new Conv2d(17, 3, padding: 1), new Relu());
        Node a = graph.Add(new Conv2d(4, 1), x), b = graph.Add(new Conv2d(4, 7, padding: 3), x);
        Node c = graph.Append(x, new MaxPool2d(3, stride: 1, padding: 1), new Conv2d(4, 3, padding: 1));
        graph.Add(new Relu(), graph.Add(new Add(), a, b, c));
        return graph;
    }

    private static Graph ShortcutFromImages()
    {
        var graph = new Graph(new Shape(4, 5, 5));
        Node branch = graph.Append(graph.Input, new Conv2d(4, 3, padding: 1), new Relu());
        graph.Append(graph.Add(new Add(), graph.Input, branch), new Flatten(), new Linear(3));
        return graph;
    }

    private static Graph ProjectionBlock()
    {
        var graph = new Graph(new Shape(3, 9, 7));
        Node x = graph.Append(graph.Input, new Conv2d(17, 3, padding: 1, bias: false), new BatchNorm2d(), new Relu());
        Node branch = graph.Append(x, new Conv2d(20, 3, 2, 1, bias: false), new BatchNorm2d(), new Relu(),
            new Conv2d(20, 3, padding: 1, bias: false), new BatchNorm2d());
        Node projected = graph.Append(x, new Conv2d(20, 1, 2, bias: false), new BatchNorm2d());
        graph.Append(graph.Add(new Add(), branch, projected), new Relu(), new Conv2d(5, 3, padding: 1),
            new GlobalAvgPool2d(), new Linear(3));
        return graph;
    }

    private static Graph SumAsSecondInput()
    {
        var graph = new Graph(new Shape(3, 6, 6));
        Node x = graph.Append(graph.Input, new Conv2d(6, 3, padding: 1), new Relu(), new MaxPool2d(2));
        Node branch = graph.Append(x, new Conv2d(6, 5, padding: 2), new BatchNorm2d());
        graph.Append(graph.Add(new Add(), x, branch), new Conv2d(5, 1), new Relu());
        return graph;
    }

    private static Graph ReluReadByGroups()
    {
        var graph = new Graph(new Shape(3, 5, 6));
        Node x = graph.Append(graph.Input, new Conv2d(6, 3, padding: 1), new Relu());
        Node some = graph.Add(new Conv2d(6, 3, padding: 1, groups: 3), x),
            each = graph.Add(new Conv2d(6, 3, padding: 1, groups: 6), x);
        graph.Append(graph.Add(new Add(), graph.Add(new Add(), some, x), each), new Relu());
        return graph;
    }

    private static Graph TwoInputs()
    {
        var graph = new Graph();
        Node image = graph.AddInput("image", new Shape(3, 6, 5));
        Node features = graph.Append(image, new Conv2d(17, 3, padding: 1), new Relu(), new GlobalAvgPool2d());
        Node position = graph.AddInput("position", Shape.Vector(5));
        Node mask = graph.AddInput("mask", new Shape(17, 1, 1));
        graph.Append(graph.Add(new Concat(), position, graph.Add(new Add(), features, mask)), new Linear(7), new Relu(),
            new Linear(3));
        return graph;
    }

    private static Graph InputsOfASum()
    {
        var graph = new Graph(new Shape(3, 4, 4));
        Node image = graph.Input, other = graph.AddInput("other", new Shape(3, 4, 4));
        Node wide = graph.AddInput("wide", Shape.Vector(48));
        Node sum = graph.Add(new Add(), image, graph.Add(new Conv2d(3, 3, padding: 1), other), other);
        graph.Append(graph.Add(new Add(), wide, graph.Add(new Flatten(), sum)), new Relu(), new Linear(4));
        return graph;
    }

    private static Graph OutputsOfFusions()
    {
        var graph = new Graph(new Shape(3, 8, 8));
        Node conv = graph.Add(new Conv2d(17, 3, padding: 1), graph.Input), relu = graph.Add(new Relu(), conv);
        Node pool = graph.Add(new MaxPool2d(2), relu), next = graph.Add(new Conv2d(17, 3, padding: 1), pool);
        Node norm = graph.Add(new BatchNorm2d(), next), sum = graph.Add(new Add(), norm, pool);
        Node last = graph.Append(sum, new Relu(), new Conv2d(4, 3), new Flatten(), new Linear(3));
        graph.SetOutputs(last, conv, norm, sum);
        return graph;
    }

    private static Graph OutputsBeforePools()
    {
        var graph = new Graph(new Shape(3, 8, 8));
        Node relu = graph.Append(graph.Input, new Conv2d(17, 3, padding: 1), new Relu());
        Node pool = graph.Add(new MaxPool2d(2), relu);
        Node dropped = graph.Append(pool, new Conv2d(6, 3, padding: 1), new BatchNorm2d(), new Dropout(0.5f));
        Node sum = graph.Add(new Add(), graph.Append(pool, new Conv2d(6, 1)), dropped);
        graph.SetOutputs(relu, dropped, graph.Append(sum, new Relu(), new GlobalAvgPool2d(), new Linear(3)));
        return graph;
    }

    private static Graph FlattenedOutput()
    {
        var graph = new Graph(new Shape(3, 5, 4));
        Node maps = graph.Append(graph.Input, new Conv2d(17, 3, padding: 1), new Relu());
        Node flat = graph.Add(new Flatten(), maps);
        graph.SetOutputs(flat, maps, graph.Add(new Linear(3), flat));
        return graph;
    }

    private static Graph TwoHeads()
    {
        var graph = new Graph(new Shape(3, 6, 6));
        Node features = graph.Append(graph.Input, new Conv2d(16, 3, padding: 1), new BatchNorm2d(), new Relu(),
            new MaxPool2d(2), new Flatten());
        graph.SetOutputs(graph.Append(features, new Linear(19), new Relu(), new Linear(10)),
            graph.Add(new Linear(4), features));
        return graph;
    }

    private static Graph InputAsOutput()
    {
        var graph = new Graph(new Shape(3, 5, 5));
        Node conv = graph.Append(graph.Input, new Conv2d(5, 3), new Relu());
        graph.SetOutputs(conv, graph.Input);
        return graph;
    }

    private static Graph PreActivation()
    {
        var graph = new Graph(new Shape(3, 6, 6));
        Node x = graph.Add(new Conv2d(8, 3, padding: 1), graph.Input);
        Node branch = graph.Append(x, new BatchNorm2d(), new Relu(), new Conv2d(8, 3, padding: 1), new BatchNorm2d(),
            new Relu(), new Conv2d(8, 3, padding: 1));
        graph.Append(graph.Add(new Add(), branch, x), new GlobalAvgPool2d(), new Linear(5));
        return graph;
    }
}
