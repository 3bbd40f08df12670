namespace ConvNet.GradientChecking;

/// <summary>The whole numbers that every tensor between two operations is given in exact mode.</summary>
/// <remarks>
/// All backends get the same numbers, at the nodes where all their plans have a border, so that they share one
/// reference. They are so small that the sums of one operation stay below 2²⁴; the next operation gets new ones.
/// </remarks>
internal sealed class WholeNumbers
{
    private const int ValueRange = 2, WeightRange = 1, GradientRange = 2;

    // If the factors of a sum have to be multiples, about this many of its terms remain; the others are set to 0.
    private const int TermsLeft = 36;

    private readonly Graph _graph;
    private readonly int _n;
    private readonly Fill _fill;
    private readonly HashSet<Node> _borders, _kept;
    private readonly Dictionary<Node, int> _weightGrains, _gradientGrains;
    private readonly bool _multipliesGradients;
    private readonly Dictionary<(Node, bool), float[]> _made = [];

    /// <summary>Prepares the numbers.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="n">The number of samples.</param>
    /// <param name="plans">What is known of the plan of each backend.</param>
    /// <param name="run">0 to multiply only weights where an algorithm requires it, 1 to multiply gradients
    /// too.</param>
    /// <param name="seed">The seed.</param>
    public WholeNumbers(Graph graph, int n, IReadOnlyList<PlanFacts> plans, int run, ulong seed)
    {
        (_graph, _n, _fill) = (graph, n, new Fill(seed + ((ulong)run << 40)));
        _borders = [.. graph.LayerNodes.Where(node => plans.All(plan => plan.Outputs.Contains(node)))];
        _kept = [.. _borders.Where(KeepsOutput)];
        _multipliesGradients = run == 1;
        _weightGrains = graph.LayerNodes.ToDictionary(node => node, node => plans.Max(plan => plan.WeightGrain(node)));
        _gradientGrains = graph.LayerNodes.ToDictionary(node => node,
            node => plans.Max(plan => plan.GradientGrain(node)));
    }

    /// <summary>Whether gradients have to be multiplied in a run of their own.</summary>
    public static bool NeedsSecondRun(Graph graph, IReadOnlyList<PlanFacts> plans)
        => graph.LayerNodes.Any(node => plans.Any(plan => plan.GradientGrain(node) > 1));

    /// <summary>Whether the weight gradient of a node is exact in this run.</summary>
    public bool CoversWeightGradient(int grain) => grain == 1 || _multipliesGradients;

    /// <summary>Whether the input gradient of a node is exact in this run.</summary>
    public bool CoversInputGradient(int grain) => grain == 1 || !_multipliesGradients;

    /// <summary>The values of an input of the graph.</summary>
    public float[] Input(Node input) => Made(input, false, () => _fill.Integers(4 * input.Index,
        _n * input.Shape.Length, ValueRange));

    /// <summary>The values of a parameter. Those of layers that round are real.</summary>
    public float[] Parameter(Parameter parameter)
    {
        int stream = 4 * (_graph.Nodes.Count + parameter.Index) + 1;
        if (parameter.Node.Layer is not SumLayer)
            return _fill.Parameter(stream, parameter.Node.Layer!.Parameters(parameter.Node.InputShapes)
                [parameter.Node.Parameters.ToList().IndexOf(parameter)]);
        int grain = _weightGrains[parameter.Node];
        return parameter.Role != ParameterRole.Weight ? _fill.Integers(stream, parameter.Length, ValueRange)
            : _fill.Integers(stream, parameter.Length, WeightRange, grain,
                grain > 1 ? Math.Max(1, (int)parameter.FanIn / TermsLeft) : 1);
    }

    /// <summary>The values to give to the readers of a tensor; null to leave it as it is.</summary>
    public float[]? Of(TracedOperation operation, TracedKind kind)
    {
        Node node = operation.Output;
        if (!_borders.Contains(node) || (kind == TracedKind.Output && _kept.Contains(node)))
            return null;
        return kind == TracedKind.Output ? Made(node, false, () => Output(node)) : Made(node, true, () =>
        {
            int grain = _multipliesGradients ? _gradientGrains[node] : 1;
            return _fill.Integers(4 * node.Index + 3, _n * node.Shape.Length, grain > 1 ? 1 : GradientRange, grain,
                grain > 1 ? Math.Max(1, _n * node.Shape.Area / TermsLeft) : 1);
        });
    }

    // A backward pass that reads the output must find the one of its inputs. That of an activation reads nothing else.
    // The maximum of small whole numbers is one already, and an activation may be differentiated behind a pool.
    private bool KeepsOutput(Node node) => node.Layer switch
    {
        FusableActivation => false,
        MaxPool2d => _borders.Contains(node.Inputs[0]),
        var layer => layer!.BackwardReads.HasFlag(BackwardReads.Output),
    };

    // An activation that is 0 for negative values stays so, so that its slope has both values.
    private float[] Output(Node node)
    {
        float[] values = _fill.Integers(4 * node.Index + 2, _n * node.Shape.Length, ValueRange);
        return IsRectified(node) ? Array.ConvertAll(values, v => Math.Max(0, v)) : values;
    }

    private static bool IsRectified(Node node) => node.Layer switch
    {
        FusableActivation activation => new LayerRun<double>(new LayerValues<double>(activation, [Shape.Vector(1)], 1,
            [[-1]], [], [], 0, 0, 0), backward: false).Y[0] == 0,
        Pool2d => IsRectified(node.Inputs[0]),
        _ => false,
    };

    private float[] Made(Node node, bool gradient, Func<float[]> make)
    {
        if (!_made.TryGetValue((node, gradient), out float[]? values))
            _made.Add((node, gradient), values = make());
        return values;
    }
}

/// <summary>What the exact mode needs to know of the plan of a backend.</summary>
internal sealed class PlanFacts
{
    private readonly Dictionary<Node, LayerAlgorithms> _algorithms;
    private readonly Dictionary<Node, Node> _mainOf;

    /// <summary>Collects the facts.</summary>
    /// <param name="executable">An executable of the backend.</param>
    /// <param name="operations">The operations of its training pass.</param>
    public PlanFacts(IExecutable executable, IReadOnlyList<TracedOperation> operations)
    {
        Outputs = [.. operations.Select(operation => operation.Output)];
        _mainOf = operations.ToDictionary(operation => operation.Output, operation => operation.Node);
        _algorithms = executable.Graph.LayerNodes.ToDictionary(node => node,
            node => LayerAlgorithms.Of(executable, node));
    }

    /// <summary>The nodes whose outputs are outputs of operations.</summary>
    public HashSet<Node> Outputs { get; }

    /// <summary>Returns the number of which the weights of a node must be multiples.</summary>
    public int WeightGrain(Node node) => Math.Max(DeclaredAccuracy.Grain(_algorithms[node].Forward),
        DeclaredAccuracy.Grain(_algorithms[node].InputGradient));

    /// <summary>Returns the number of which the gradient of the output of an operation must be a multiple.</summary>
    public int GradientGrain(Node output) => _mainOf.TryGetValue(output, out Node? main)
        ? DeclaredAccuracy.Grain(_algorithms[main].WeightGradient) : 1;
}
