namespace ConvNet.GradientChecking;

/// <summary>The whole numbers that every tensor between two operations is given in exact mode.</summary>
/// <remarks>
/// All backends get the same numbers, at the nodes where all their plans have a border, so that they share one
/// reference. They are so small that the sums of one operation stay below 2²⁴; the next operation gets new ones.
/// </remarks>
internal sealed class WholeNumbers
{
    private const int ValueRange = 2, WeightRange = 1, GradientRange = 2;

    // So large that a saturating activation has its largest value.
    private const double Far = 1e6;

    // Normalised values are so large that they reach every part of an activation.
    private const float LargeScale = 8;

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
        Replaces = plans.All(plan => plan.Replaces);
        _weightGrains = graph.LayerNodes.ToDictionary(node => node, node => plans.Max(plan => plan.WeightGrain(node)));
        _gradientGrains = graph.LayerNodes.ToDictionary(node => node,
            node => plans.Max(plan => plan.GradientGrain(node)));
    }

    /// <summary>Whether the backends take the numbers between their operations.</summary>
    public bool Replaces { get; }

    /// <summary>Whether gradients have to be multiplied in a run of their own.</summary>
    public static bool NeedsSecondRun(Graph graph, IReadOnlyList<PlanFacts> plans)
        => graph.LayerNodes.Any(node => plans.Any(plan => plan.GradientGrain(node) > 1));

    /// <summary>Whether the weight gradient of a node is exact in this run.</summary>
    public bool CoversWeightGradient(int grain) => grain == 1 || _multipliesGradients;

    /// <summary>Whether the input gradient of a node is exact in this run. Products of multiples exceed 2²⁴.</summary>
    public bool CoversInputGradient(Node node) => _weightGrains[node] == 1 || !_multipliesGradients;

    /// <summary>The values of an input of the graph.</summary>
    public float[] Input(Node input) => Made(input, false, () => _fill.Integers(4 * input.Index,
        _n * input.Shape.Length, ValueRange));

    /// <summary>The values of a parameter. Those of layers that round are real.</summary>
    public float[] Parameter(Parameter parameter)
    {
        int stream = 4 * (_graph.Nodes.Count + parameter.Index) + 1;
        if (parameter.Node.Layer is not SumLayer)
        {
            float[] values = _fill.Parameter(stream, parameter.Node.Layer!.Parameters(parameter.Node.InputShapes)
                [parameter.Node.Parameters.ToList().IndexOf(parameter)]);
            return parameter.Role == ParameterRole.Scale ? Array.ConvertAll(values, v => LargeScale * v) : values;
        }
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
        Pool2d pool when TailReference.Selects(pool) => _borders.Contains(node.Inputs[0]),
        var layer => layer!.BackwardReads.HasFlag(BackwardReads.Output),
    };

    // An activation that is 0 for negative values stays so, and one that saturates has its largest value, so that its
    // slope has all its values.
    private float[] Output(Node node)
    {
        float[] values = _fill.Integers(4 * node.Index + 2, _n * node.Shape.Length, ValueRange);
        if (ActivationOf(node) is not { } activation)
            return values;
        float[] at = [.. new LayerRun<double>(new LayerValues<double>(activation, [Shape.Vector(3)], 1,
            [[-1, Far, 2 * Far]], [], [], 0, 0, 0), backward: false).Y.Select(v => (float)v)];
        (bool isRectified, bool saturates) = (at[0] == 0, at[1] == at[2]);
        return Array.ConvertAll(values, v => saturates && v == ValueRange ? at[1] : isRectified ? Math.Max(0, v) : v);
    }

    // The activation that gives the values of a node, which a pool only selects from.
    private static FusableActivation? ActivationOf(Node node) => node.Layer switch
    {
        FusableActivation activation => activation,
        Pool2d => ActivationOf(node.Inputs[0]),
        _ => null,
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
    /// <param name="replaces">Whether the tensors between them can be replaced.</param>
    public PlanFacts(IExecutable executable, IReadOnlyList<TracedOperation> operations, bool replaces)
    {
        Replaces = replaces;
        Outputs = [.. operations.Select(operation => operation.Output)];
        _mainOf = operations.ToDictionary(operation => operation.Output, operation => operation.Node);
        _algorithms = executable.Graph.LayerNodes.ToDictionary(node => node,
            node => LayerAlgorithms.Of(executable, node));
    }

    /// <summary>Whether the tensors between the operations can be replaced.</summary>
    public bool Replaces { get; }

    /// <summary>The nodes whose outputs are outputs of operations.</summary>
    public HashSet<Node> Outputs { get; }

    /// <summary>Returns the number of which the weights of a node must be multiples.</summary>
    public int WeightGrain(Node node) => Math.Max(DeclaredAccuracy.Grain(_algorithms[node].Forward),
        DeclaredAccuracy.Grain(_algorithms[node].InputGradient));

    /// <summary>Returns the number of which the gradient of the output of an operation must be a multiple.</summary>
    public int GradientGrain(Node output) => _mainOf.TryGetValue(output, out Node? main)
        ? DeclaredAccuracy.Grain(_algorithms[main].WeightGradient) : 1;
}
