namespace ConvNet.GradientChecking;

/// <summary>Several tensors in one, so that a graph, which has one input and one output, can be given and asked for
/// several.</summary>
/// <remarks>
/// The channels stand one after another, each map in the upper left corner of the largest. Convolutions whose weights
/// are zeros and one 1 per filter cut the parts out and put them in. They copy without rounding on every backend,
/// forward and backward: they have at most 2×2 taps, as far apart as is needed, which no algorithm transforms.
/// </remarks>
internal sealed class Canvas
{
    private readonly Shape[] _parts;
    private readonly int[] _offsets;
    private readonly int _height, _width;

    /// <summary>Lays out parts of the given shapes.</summary>
    public Canvas(IReadOnlyList<Shape> parts)
    {
        _parts = [.. parts];
        _offsets = new int[parts.Count];
        for (int i = 1; i < parts.Count; i++)
            _offsets[i] = _offsets[i - 1] + parts[i - 1].C;
        (_height, _width) = (parts.Max(p => p.H), parts.Max(p => p.W));
        Shape = new Shape(parts.Sum(p => p.C), _height, _width);
    }

    /// <summary>The shape of the whole.</summary>
    public Shape Shape { get; }

    /// <summary>The weights of the convolutions that were added, for every executable of the graph.</summary>
    public List<(Parameter Parameter, float[] Values)> Weights { get; } = [];

    /// <summary>Adds what cuts the parts out of a node; one part is the node itself.</summary>
    public Node[] Split(Graph graph, Node whole)
        => _parts.Length == 1 ? [whole] : [.. _parts.Select((part, i) => Select(graph, whole, part, i))];

    /// <summary>Adds what puts nodes together; one node stays as it is.</summary>
    public Node Join(Graph graph, IReadOnlyList<Node> parts)
        => parts.Count == 1 ? parts[0] : graph.Add(new Add(), [.. parts.Select((part, i) => Place(graph, part, i))]);

    /// <summary>The parts as one batch.</summary>
    public float[] Pack(float[][] parts, int n)
    {
        var whole = new float[n * Shape.Length];
        ForEachRow(n, (part, row, place, width) => parts[part].AsSpan(row, width).CopyTo(whole.AsSpan(place)));
        return whole;
    }

    /// <summary>One batch in its parts.</summary>
    public float[][] Unpack(float[] whole, int n)
    {
        float[][] parts = [.. _parts.Select(p => new float[n * p.Length])];
        ForEachRow(n, (part, row, place, width) => whole.AsSpan(place, width).CopyTo(parts[part].AsSpan(row)));
        return parts;
    }

    private void ForEachRow(int n, Action<int, int, int, int> visit)
    {
        for (int part = 0; part < _parts.Length; part++)
        {
            Shape shape = _parts[part];
            for (int sample = 0; sample < n; sample++)
            {
                for (int row = 0; row < shape.C * shape.H; row++)
                {
                    (int c, int h) = Math.DivRem(row, shape.H);
                    int place = ((sample * Shape.C + _offsets[part] + c) * _height + h) * _width;
                    visit(part, (sample * shape.C * shape.H + row) * shape.W, place, shape.W);
                }
            }
        }
    }

    private Node Select(Graph graph, Node whole, Shape part, int index)
    {
        (Extent kernel, Extent dilation) = Taps(new Extent(_height - part.H, _width - part.W));
        Node node = graph.Add(new Conv2d(part.C, kernel, dilation: dilation, bias: false), whole);
        AddWeights(node, part.C, c => (c * Shape.C + _offsets[index] + c) * (int)kernel.Area);
        return node;
    }

    private Node Place(Graph graph, Node part, int index)
    {
        int channels = part.Shape.C;
        var padding = new Extent(_height - part.Shape.H, _width - part.Shape.W);
        (Extent kernel, Extent dilation) = Taps(padding);
        Node node = graph.Add(new Conv2d(Shape.C, kernel, padding: padding, dilation: dilation, bias: false), part);
        AddWeights(node, channels, c => ((_offsets[index] + c) * channels + c + 1) * (int)kernel.Area - 1);
        return node;
    }

    // A first and a last tap, so far apart.
    private static (Extent Kernel, Extent Dilation) Taps(Extent distance)
        => ((Math.Min(distance.H, 1) + 1, Math.Min(distance.W, 1) + 1),
            (Math.Max(distance.H, 1), Math.Max(distance.W, 1)));

    private void AddWeights(Node node, int channels, Func<int, int> placeOfOne)
    {
        var values = new float[node.Parameters[0].Length];
        for (int c = 0; c < channels; c++)
            values[placeOfOne(c)] = 1;
        Weights.Add((node.Parameters[0], values));
    }
}
