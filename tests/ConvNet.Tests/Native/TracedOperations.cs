using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>Replaces the tensors between the operations of a native pass by small whole numbers, then compares every
/// operation with the nodes of the managed backend, which get what the operation read.</summary>
/// <param name="graph">The graph.</param>
internal sealed class TracedOperations(Graph graph)
{
    private const float Tolerance = 1e-4f;
    private readonly Dictionary<(Node Output, TracedKind Kind), Exchange> _exchanged = [];
    private readonly HashSet<(Node Output, TracedKind Kind)> _compared = [];
    private readonly Dictionary<Node, float[]> _managed = [];

    /// <summary>The number of tensors that were replaced.</summary>
    public int Replaced => _exchanged.Values.Count(exchange => exchange.IsReplaced);

    /// <summary>Whole numbers that are the same for the same name.</summary>
    public static float[] Whole(string name, int count, int least = -2)
    {
        var random = new Random(name.Aggregate(17, (hash, letter) => 31 * hash + letter));
        return [.. Enumerable.Range(0, count).Select(_ => (float)random.Next(least, 3))];
    }

    /// <summary>Multiplies a gradient by the slope of the activation that determines the output.</summary>
    public static float[] Sloped(TracedOperation operation, float[] gradient, float[] y)
    {
        Node node = operation.Output;
        while (node.Layer is MaxPool2d or AvgPool2d or Flatten)
            node = node.Inputs[0];
        return [.. gradient.Zip(y, (dy, value) => node.Layer switch
        {
            Relu => value > 0 ? dy : 0,
            Relu6 => value is > 0 and < 6 ? dy : 0,
            LeakyRelu leaky => value > 0 ? dy : leaky.NegativeSlope * dy,
            _ => throw new AssertionException($"{operation} has no activation."),
        })];
    }

    /// <summary>The callback of the native pass.</summary>
    public bool Replace(TracedTensor tensor)
    {
        Node node = tensor.Operation.Output;
        float[] shown = tensor.Values.ToArray();
        bool isOutput = tensor.Kind is TracedKind.Output or TracedKind.RecomputedOutput;
        if (tensor.IsReplaceable)
            Whole(isOutput ? node.Name : $"gradient of {node.Name}", shown.Length).CopyTo(tensor.Values);
        _exchanged.Add((node, tensor.Kind), new Exchange(tensor.Operation, shown, tensor.Values.ToArray(),
            tensor.IsReplaceable));
        return tensor.IsReplaceable;
    }

    /// <summary>The callback of the managed pass.</summary>
    public bool Compare(TracedTensor tensor)
    {
        Node node = tensor.Operation.Output;
        return tensor.Kind == TracedKind.Output ? CompareOutput(node, tensor) : CompareGradient(node, tensor);
    }

    /// <summary>The values of a node that its readers read.</summary>
    public float[] ValueOf(Node node, int n)
        => node.Layer is null ? Whole(node.Name, n * node.Shape.Length)
            : _exchanged.TryGetValue((node, TracedKind.Output), out Exchange? exchange) ? exchange.Read
            : ValueOf(node.Inputs[0], n);

    /// <summary>Fails unless everything that was shown has been compared, and forgets it.</summary>
    public void End()
    {
        Assert.That(_compared, Is.EquivalentTo(_exchanged.Keys));
        _exchanged.Clear();
        _compared.Clear();
        _managed.Clear();
    }

    /// <summary>Compares the gradients of parameters and inputs of the native and the managed pass.</summary>
    public void CompareGradients(IExecutable native, IExecutable managed, int n)
    {
        foreach (Parameter parameter in graph.Parameters.Where(p => p.Trainable))
            AssertEqual(native.ReadGradient(parameter), managed.ReadGradient(parameter),
                [parameter.Node], parameter.Name);
        float[][] gradients = GraphSamples.InputGradients(graph, n), expected = GraphSamples.InputGradients(graph, n);
        native.ReadInputGradient(BatchBuffers.InOrder(gradients));
        managed.ReadInputGradient(BatchBuffers.InOrder(expected));
        foreach ((Node input, int i) in graph.Inputs.Select((input, i) => (input, i)))
            AssertEqual(gradients[i], expected[i], ReadersOf(input), $"gradient of {input.Name}");
    }

    private bool CompareOutput(Node node, TracedTensor tensor)
    {
        foreach (TracedKind kind in (TracedKind[])[TracedKind.Output, TracedKind.RecomputedOutput])
        {
            if (_exchanged.TryGetValue((node, kind), out Exchange? exchange))
                Compare(exchange, kind, tensor.Values.ToArray(), exchange.Operation.Nodes);
        }
        return _exchanged.TryGetValue((node, TracedKind.Output), out Exchange? output) && Give(output.Read, tensor);
    }

    private bool CompareGradient(Node node, TracedTensor tensor)
    {
        bool replaced = true;
        if (_exchanged.TryGetValue((node, TracedKind.Gradient), out Exchange? gradient))
        {
            Compare(gradient, TracedKind.Gradient, tensor.Values.ToArray(), ReadersOf(node));
            Give(gradient.Read, tensor);
        }
        else if (_exchanged.TryGetValue((node, TracedKind.GradientBeforeActivation), out Exchange? sloped))
        {
            float[] expected = tensor.Values.ToArray();
            // A max pool that has taken over the slope passes on a gradient that includes it.
            if (!node.Consumers.Any(reader => reader.Layer is MaxPool2d
                && _exchanged.ContainsKey((reader, TracedKind.GradientBeforeActivation))))
                expected = Sloped(sloped.Operation, expected, _exchanged[(node, TracedKind.Output)].Read);
            Compare(sloped, TracedKind.GradientBeforeActivation, expected, ReadersOf(node));
            Give(sloped.Read, tensor);
        }
        else
        {
            replaced = WithinOperation(node) is { } within && Give(within, tensor);
        }
        _managed[node] = tensor.Values.ToArray();
        return replaced;
    }

    // The gradient of a node whose output the fused activation of its operation reads, where it differs from that of
    // the managed backend: the slope is applied already, or is that of the output before it was replaced. Otherwise
    // null.
    private float[]? WithinOperation(Node node)
    {
        if (node.Consumers is not [{ Layer: FusableActivation } activation])
            return null;
        foreach (((Node output, TracedKind kind), Exchange exchange) in _exchanged)
        {
            if (kind < TracedKind.Gradient || !exchange.Operation.Nodes.Contains(node)
                || !exchange.Operation.Nodes.Contains(activation))
                continue;
            if (kind == TracedKind.GradientBeforeActivation)
                return _managed[activation];
            if (activation == output)
                return Sloped(exchange.Operation, exchange.Read, _exchanged[(output, TracedKind.Output)].Shown);
        }
        return null;
    }

    private IEnumerable<Node> ReadersOf(Node node) => node.Consumers.SelectMany(reader
        => reader.Layer is Flatten or Reshape ? ReadersOf(reader)
            : _exchanged.Values.Select(exchange => exchange.Operation.Nodes).First(nodes => nodes.Contains(reader)));

    private void Compare(Exchange exchange, TracedKind kind, float[] expected, IEnumerable<Node> nodes)
    {
        AssertEqual(exchange.Shown, expected, nodes, $"{kind} of {exchange.Operation}");
        _compared.Add((exchange.Operation.Output, kind));
    }

    private static bool Give(float[] values, TracedTensor tensor)
    {
        values.CopyTo(tensor.Values);
        return true;
    }

    // Sums of small whole numbers are exact in any order.
    private static void AssertEqual(float[] values, float[] expected, IEnumerable<Node> nodes, string what)
    {
        bool exact = !nodes.Any(node => node.Layer is BatchNorm2d or AvgPool2d or GlobalAvgPool2d or Gelu);
        float most = expected.Max(Math.Abs);
        Assert.That(values, Is.EqualTo(expected).Within(exact ? 0 : Tolerance * most), what);
    }

    private sealed record Exchange(TracedOperation Operation, float[] Shown, float[] Read, bool IsReplaced);
}
