namespace ConvNet.GradientChecking;

/// <summary>Builds one random graph.</summary>
/// <param name="draw">The source of random choices.</param>
/// <param name="n">The number of samples in a batch.</param>
/// <param name="kinds">The kinds of layers.</param>
internal sealed class RandomGraph(RandomDraw draw, int n, IReadOnlyList<LayerDeclaration> kinds)
{
    private const int MostBlocks = 8;

    private readonly Graph _graph = new(new Shape(draw.Of(1, 2, 3, 5, 17), draw.Between(3, 11), draw.Between(3, 11)));

    /// <summary>Builds a sequence of blocks and a head, sometimes with another input and several outputs.</summary>
    public Graph Build()
    {
        Node x = _graph.Input;
        for (int blocks = draw.Between(1, MostBlocks); blocks > 0; blocks--)
            x = Block(x);
        if (draw.OneIn(4))
            x = WithOtherInput(x);
        if (x.Layer is null || !draw.OneIn(3))
            x = Head(x);
        if (draw.OneIn(3))
            _graph.SetOutputs([x, .. OtherOutputs(x)]);
        return _graph;
    }

    private Node WithOtherInput(Node x)
    {
        Node other = _graph.AddInput("other", x.Shape);
        return _graph.Add(draw.OneIn(2) ? new Add() : new Concat(), draw.OneIn(2) ? [x, other] : [other, x]);
    }

    private Node Head(Node x)
    {
        x = _graph.Add(draw.Of<Layer>(new Flatten(), new Flatten(), new GlobalAvgPool2d()), x);
        if (draw.OneIn(3))
            x = _graph.Append(x, new Linear(draw.Of(3, 16, 19), draw.OneIn(2)), Activation());
        return _graph.Add(new Linear(draw.Of(1, 2, 3, 10, 17)), x);
    }

    // Additional outputs: nodes that other layers read as well, and separate heads.
    private Node[] OtherOutputs(Node last)
    {
        var outputs = new List<Node>();
        for (int more = draw.Between(1, 2); more > 0; more--)
        {
            Node[] nodes = [.. _graph.LayerNodes.Except(outputs)];
            Node node = nodes[draw.Below(nodes.Length)];
            outputs.Add(node == last || draw.OneIn(2) ? Head(node) : node);
        }
        return [.. outputs];
    }

    private Node Block(Node x) => draw.Below(12) switch
    {
        0 or 1 => Convolution(x),
        2 => _graph.Append(Convolution(x), Activation()),
        3 => Pool(x),
        4 => _graph.Add(draw.OneIn(4) ? new Dropout(draw.Of(0.25f, 0.5f)) : Activation(), x),
        5 => Normalized(x),
        6 => Residual(x),
        7 => Projection(x),
        8 => Parallel(x),
        9 => _graph.Add(new Add(), x, x),
        _ => Any(x),
    };

    // A layer of any kind that accepts the existing node.
    private Node Any(Node x)
    {
        LayerDeclaration kind = kinds[draw.Below(kinds.Count)];
        if (kind.Fitting(draw, n, x.Shape) is not { } layer)
            return x;
        if (layer.Domain != NumberInterval.Finite)
            x = _graph.Add(new Clip((float)layer.Domain.Least + 0.25f, (float)layer.Domain.Least + 4), x);
        var inputs = new Node[kind.Inputs];
        for (int i = 0; i < inputs.Length; i++)
            inputs[i] = i == 0 ? x : Same(x, x.Shape.C);
        return _graph.Add(layer, inputs);
    }

    private Layer Activation()
        => draw.Of<Layer>(new Relu(), new Relu(), new Relu6(), new LeakyRelu(draw.Of(0.25f, 0.01f)));

    private int Filters() => draw.Of(1, 2, 3, 5, 8, 16, 17);

    // With half the reach as padding on each side, an odd reach preserves the size, and the kernel fits every map.
    // Kernel size 2 is not dilated, because both taps could lie on padding.
    private Node Convolution(Node x)
    {
        int kernel = draw.Of(1, 2, 3, 3, 5), dilation = kernel != 2 && draw.OneIn(5) ? 2 : 1,
            reach = (kernel - 1) * dilation + 1;
        bool fits = reach <= Math.Min(x.Shape.H, x.Shape.W);
        int padding = fits && draw.OneIn(3) ? 0 : reach / 2;
        int groups = draw.OneIn(4) ? x.Shape.C : 1, filters = groups == 1 ? Filters() : groups * draw.Of(1, 1, 2);
        return _graph.Add(new Conv2d(filters, kernel, draw.Of(1, 1, 1, 2, 3), padding, dilation, groups, draw.OneIn(2),
            rounding: Rounding.Floor), x);
    }

    private Node Same(Node x, int filters)
    {
        int kernel = draw.Of(1, 3, 3, 5);
        return _graph.Add(new Conv2d(filters, kernel, padding: kernel / 2, bias: draw.OneIn(2)), x);
    }

    private Node Normalized(Node x)
    {
        Node y = n * x.Shape.Area < BatchNorm2d.FewestValues ? x : _graph.Add(new BatchNorm2d(), x);
        return y == x || draw.OneIn(2) ? _graph.Add(Activation(), y) : y;
    }

    private Node Pool(Node x)
    {
        int kernel = draw.Of(2, 3), padding = kernel > Math.Min(x.Shape.H, x.Shape.W) ? kernel / 2 : draw.Below(2);
        return _graph.Add(draw.OneIn(3)
            ? new AvgPool2d(kernel, draw.Of(1, 2, 3), padding, rounding: Rounding.Floor, countIncludePad: draw.OneIn(2))
            : new MaxPool2d(kernel, draw.Of(1, 2, 3), padding, rounding: Rounding.Floor), x);
    }

    private Node Residual(Node x)
    {
        Node branch = Same(x, Filters());
        branch = draw.OneIn(2) ? Normalized(branch) : branch;
        branch = Same(branch, x.Shape.C);
        Node sum = draw.OneIn(2) ? _graph.Add(new Add(), branch, x) : _graph.Add(new Add(), x, branch);
        return draw.OneIn(2) ? _graph.Add(Activation(), sum) : sum;
    }

    private Node Projection(Node x)
    {
        int filters = Filters();
        Node branch
            = Same(_graph.Add(new Conv2d(filters, 3, stride: 2, padding: 1, rounding: Rounding.Floor), x), filters);
        Node projected = _graph.Add(new Conv2d(filters, 1, stride: 2, bias: false, rounding: Rounding.Floor), x);
        return _graph.Append(_graph.Add(new Add(), branch, projected), new Relu());
    }

    private Node Parallel(Node x)
    {
        int filters = Filters();
        var branches = new Node[draw.Between(2, 3)];
        for (int i = 0; i < branches.Length; i++)
            branches[i] = draw.OneIn(3) ? _graph.Append(Same(x, filters), Activation()) : Same(x, filters);
        return _graph.Add(new Add(), branches);
    }
}
