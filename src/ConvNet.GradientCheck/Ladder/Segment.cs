namespace ConvNet.GradientChecking;

/// <summary>Consecutive nodes of a graph, copied into a graph of their own to run them together on integers.</summary>
internal sealed partial class Segment
{
    private const int InputRange = 2, BiasRange = 2, WeightRange = 1, GradientRange = 1;

    // If the factors of a sum have to be multiples, about this many of its terms remain; the other factors are set to
    // 0.
    private const int TermsLeft = 36;

    private const float LearningRate = 0.25f;

    private readonly IReadOnlyList<Node> _nodes;
    private readonly GradientCheckOptions _options;
    private readonly Sgd _optimizer;
    private readonly Node[] _outside, _sources, _own;
    private readonly List<int> _exits = [];
    private readonly bool _endsInOutput, _forwardOnly;
    private readonly LayerAlgorithms[][] _algorithms;

    /// <summary>Copies the nodes into a graph.</summary>
    /// <param name="nodes">Consecutive nodes of a graph, all with layers.</param>
    /// <param name="backends">The backends that run the segment.</param>
    /// <param name="options">The batch size, and the names of the frozen parameters.</param>
    public Segment(IReadOnlyList<Node> nodes, IReadOnlyList<IBackend> backends, GradientCheckOptions options)
    {
        _forwardOnly = backends.Any(backend => backend.Info.InferenceOnly);
        (_nodes, _options) = (nodes, options);
        _outside = [.. nodes.SelectMany(node => node.Inputs).Except(nodes)];
        Graph = new Graph();
        _sources = Array.ConvertAll(_outside, node => Graph.AddInput($"into {node.Name}", node.Shape));
        Dictionary<Node, Node> copies = _outside.Zip(_sources).ToDictionary(pair => pair.First, pair => pair.Second);
        _own = new Node[nodes.Count];
        for (int i = 0; i < nodes.Count; i++)
        {
            Node node = nodes[i];
            copies[node] = _own[i] = Graph.Add(node.Layer!, [.. node.Inputs.Select(input => copies[input])]);
            if (node.Graph.Outputs.Contains(node) || node.Consumers.Any(consumer => consumer.Index > nodes[^1].Index))
                _exits.Add(i);
        }
        Graph.SetOutputs([.. _exits.Select(i => _own[i])]);
        _optimizer = GradientCheckOptions.SgdFreezing([.. nodes.SelectMany((node, i) => node.Parameters
            .Zip(_own[i].Parameters).Where(pair => IsFrozen(pair.First)).Select(pair => pair.Second.Name))]);
        _endsInOutput = _exits.Count == 1 && nodes[^1].Graph.Outputs.Contains(nodes[^1]) && nodes[^1]
            .Shape is { IsVector: true, C: > 1 };
        _algorithms = nodes.Any(node => node.Layer!.IsBilinear) ? AlgorithmsOn(backends, options.BatchSize)
            : [.. nodes.Select(_ => (LayerAlgorithms[])[])];
    }

    /// <summary>The graph of the copied nodes.</summary>
    public Graph Graph { get; }

    /// <summary>The integer values that the segment runs on.</summary>
    /// <param name="N">The number of samples.</param>
    /// <param name="X">The inputs of the segment.</param>
    /// <param name="W">The parameters of each node.</param>
    /// <param name="DY">The gradients of the outputs of the segment; null if a hinge loss computes them.</param>
    /// <param name="Labels">The labels for the hinge loss.</param>
    internal sealed record Values(int N, float[][] X, float[][][] W, float[][]? DY, int[] Labels);

    /// <summary>The results that the reference computes from the values.</summary>
    internal sealed record Truth(TruthTensor[] Y, TruthTensor[] DX,
        (Parameter Parameter, TruthTensor? Gradient, TruthTensor Updated)[] Parameters, double Loss);

    /// <summary>The number that values of the segment must be multiples of for an algorithm that a backend uses; 1 if
    /// there is no such requirement.</summary>
    public int Grain => Enumerable.Range(0, _own.Length).Max(i => GrainOf(i, Enum.GetValues<SumPass>()));

    /// <summary>Generates small integers for everything the segment reads, multiplied where an algorithm requires
    /// it.</summary>
    public Values Integers(Fill fill, int n)
    {
        int stream = 0, grain = Enumerable.Range(0, _own.Length).Max(i => GrainOf(i, SumPass.WeightGradient));
        bool hinge = _endsInOutput && int.IsPow2(n) && grain == 1;
        float[] Weights(int i, Parameter p) => GrainOf(i, SumPass.Forward, SumPass.InputGradient) is > 1
            and var multiple
            ? fill.Integers(stream++, p.Length, WeightRange, multiple, (int)Math.Max(1, p.FanIn / TermsLeft))
            : fill.Integers(stream++, p.Length, WeightRange);
        float[] Gradient(Shape shape) => fill.Integers(stream++, n * shape.Length, GradientRange, grain,
            grain > 1 ? Math.Max(1, n * shape.Area / TermsLeft) : 1);
        return new Values(n,
            [.. _sources.Select(s => fill.Integers(stream++, n * s.Shape.Length, InputRange))],
            [.. _own.Select(
                (node, i) => (float[][])[.. node.Parameters.Select(p => p.Role == ParameterRole.Weight ? Weights(i, p)
                : fill.Integers(stream++, p.Length, BiasRange))])],
            hinge ? null : [.. _exits.Select(i => Gradient(_own[i].Shape))],
            hinge ? fill.Labels(stream, n, _own[^1].Shape.C) : []);
    }

    /// <summary>Runs the reference.</summary>
    /// <returns>The results; null if float32 would round anywhere.</returns>
    public Truth? Evaluate(Values values, ulong seed)
    {
        var y = new float[Graph.Nodes.Count][];
        for (int i = 0; i < _sources.Length; i++)
            y[_sources[i].Index] = values.X[i];
        foreach (int i in Enumerable.Range(0, _own.Length))
        {
            double[] output = new LayerRun<double>(At(i, values, y, [], seed).To(v => (double)v), backward: false).Y;
            y[_own[i].Index] = Array.ConvertAll(output, v => (float)v);
            if (output.Where((v, index) => y[_own[i].Index][index] != v).Any())
                return null;
        }
        return _forwardOnly ? Proven(values, y, seed) : Differentiate(values, y, seed);
    }

    /// <summary>Runs the segment on a backend, through one optimiser step, and compares the results.</summary>
    public IReadOnlyList<TensorReport> Check(IBackend backend, Values before, Values values, Truth truth, ulong seed)
    {
        if (_forwardOnly)
            return CheckForward(backend, before, values, truth);
        Loss loss = values.DY is null ? new MulticlassSvm() : new MeanSquaredError();
        using IExecutable executable = backend.Compile(Graph, SpecFor(loss, values.N, seed));
        var reports = new List<TensorReport>();
        Train(executable, before, y => { });
        double got = Train(executable, values, y => reports.AddRange(y.Zip(truth.Y, Exactly)));
        if (values.DY is null)
            reports.Add(Comparison.Exactly([(float)got], TruthTensor.Rounded("loss", [truth.Loss])));
        float[][] dx = [.. _sources.Select(source => new float[values.N * source.Shape.Length])];
        executable.ReadInputGradient(BatchBuffers.InOrder(dx));
        reports.AddRange(dx.Zip(truth.DX, Exactly));
        foreach ((Parameter parameter, TruthTensor? gradient, _) in truth.Parameters)
        {
            if (gradient is not null)
                reports.Add(Comparison.Exactly(executable.ReadGradient(parameter), gradient));
        }
        executable.Step(LearningRate);
        foreach ((Parameter parameter, _, TruthTensor updated) in truth.Parameters)
            reports.Add(Comparison.Exactly(executable.Read(parameter), updated));
        return reports;
    }

    private LayerAlgorithms[][] AlgorithmsOn(IReadOnlyList<IBackend> backends, int n)
    {
        var algorithms = new List<LayerAlgorithms[]>();
        foreach (IBackend backend in backends)
        {
            using IExecutable executable = _forwardOnly ? backend.CompileInference(Graph, n)
                : backend.Compile(Graph, SpecFor(new MeanSquaredError(), n, seed: 0));
            algorithms.Add([.. _own.Select(node => LayerAlgorithms.Of(executable, node))]);
        }
        return [.. _own.Select((_, i) => (LayerAlgorithms[])[.. algorithms.Select(of => of[i]).Distinct()])];
    }

    private int GrainOf(int i, params SumPass[] passes)
        => passes.Max(pass => _algorithms[i].Select(of => DeclaredAccuracy.Grain(of[pass])).DefaultIfEmpty(1).Max());

    private TrainingSpec SpecFor(Loss loss, int n, ulong seed)
        => new(n, Losses.Of([.. Graph.Outputs.Select(output => new OutputLoss(output.Name, loss))]), _optimizer)
        {
            InputGradient = true,
            Seed = seed,
        };

    private Truth? Differentiate(Values values, float[][] y, ulong seed)
    {
        double loss = 0;
        var gradients = new BoundedSum[Graph.Nodes.Count][];
        float[][] dy = values.DY ?? [HingeGradient(values, y[_own[^1].Index], out loss)];
        for (int i = 0; i < _exits.Count; i++)
            AddTo(gradients, _own[_exits[i]], dy[i]);
        var parameters = new List<(Parameter, TruthTensor?, TruthTensor)>();
        for (int i = _own.Length - 1; i >= 0; i--)
        {
            if (!Array.TrueForAll(gradients[_own[i].Index], sum => sum.IsExact))
                return null;
            LayerValues<float> at =
                At(i, values, y, Array.ConvertAll(gradients[_own[i].Index], sum => (float)sum.Value), seed);
            LayerTruth truth = ExactReference.Evaluate(at);
            if (!truth.IsExact || !Array.TrueForAll(_algorithms[i],
                of => Array.TrueForAll(Enum.GetValues<SumPass>(), pass => WinogradBudget.IsExact(at, of[pass], pass))))
                return null;
            for (int k = 0; k < truth.DX.Length; k++)
                AddTo(gradients, _own[i].Inputs[k], Array.ConvertAll(truth.DX[k].Values, v => (float)v));
            for (int k = 0; k < truth.DW.Length; k++)
            {
                if (truth.DW[k] is { } gradient && !AddParameter(parameters, i, k, gradient, values.W[i][k]))
                    return null;
            }
        }
        TruthTensor DX(int i) => TruthTensor.Rounded(NameOf("dx", _outside, i),
            Array.ConvertAll(gradients[_sources[i].Index], sum => sum.Value));
        return new Truth(OutputsOf(y), [.. Enumerable.Range(0, _sources.Length).Select(DX)],
            [.. parameters], loss);
    }

    // Evaluates the update in the order used by the optimiser. It must be exact too.
    private bool AddParameter(List<(Parameter, TruthTensor?, TruthTensor)> parameters, int i, int k,
        TruthTensor gradient, float[] w)
    {
        string name = $"{_nodes[i].Name}.{gradient.Name}",
            after = $"{_nodes[i].Name}.{gradient.Name[1..]} after a step";
        if (IsFrozen(_nodes[i].Parameters[k]))
        {
            parameters.Add((_own[i].Parameters[k], null, TruthTensor.Rounded(after, Doubles(w))));
            return true;
        }
        BoundedSum[] updated =
            [.. w.Select((value, index) => BoundedSum.Of(value) + -LearningRate * gradient.Values[index])];
        parameters.Add((_own[i].Parameters[k], TruthTensor.Rounded(name, gradient.Values),
            TruthTensor.Of(after, updated)));
        return Array.TrueForAll(updated, sum => sum.IsExact);
    }

    private double Train(IExecutable executable, Values values, Action<float[][]> seeOutputs)
    {
        for (int i = 0; i < _own.Length; i++)
        {
            for (int k = 0; k < _own[i].Parameters.Count; k++)
                executable.Write(_own[i].Parameters[k], values.W[i][k]);
        }
        executable.Forward(BatchValues.InOrder(values.X));
        float[][] y = [.. Graph.Outputs.Select(output => new float[values.N * output.Shape.Length])];
        executable.ReadOutput(BatchBuffers.InOrder(y));
        seeOutputs(y);
        if (values.DY is null)
        {
            double loss = executable.Loss(values.Labels);
            executable.Backward();
            return loss;
        }
        executable.Backward(BatchValues.InOrder(values.DY));
        return 0;
    }

    private LayerValues<float> At(int i, Values values, float[][] y, float[] dy, ulong seed)
        => new(_own[i].Layer!, _own[i].InputShapes, values.N, [.. _own[i].Inputs.Select(input => y[input.Index])],
            values.W[i], dy, _own[i].Index, 1, seed)
        {
            Training = !_forwardOnly && !_options.FreezesLayer(_nodes[i].Parameters.Where(p => p.Trainable)
                .Select(p => p.Name)),
        };

    private TruthTensor[] OutputsOf(float[][] y) => [.. _exits.Select((exit, i) => TruthTensor.Rounded(
        NameOf("y", [.. _exits.Select(each => _nodes[each])], i), Doubles(y[_own[exit].Index])))];

    private bool IsFrozen(Parameter parameter) => parameter.Trainable && _options.Freezes(parameter.Name);

    private static float[] HingeGradient(Values values, float[] output, out double loss)
    {
        var gradient = new double[output.Length];
        loss = new MulticlassSvm().Evaluate(
            new LossFrame<double>(Shape.Vector(output.Length / values.N), Doubles(output), values.Labels, gradient));
        return Array.ConvertAll(gradient, v => (float)v);
    }

    private static void AddTo(BoundedSum[][] gradients, Node node, float[] gradient)
    {
        BoundedSum[]? before = gradients[node.Index];
        gradients[node.Index] = [.. gradient.Select((v, i) => before is null ? BoundedSum.Of(v) : before[i] + v)];
    }

    private static TensorReport Exactly(float[] values, TruthTensor truth) => Comparison.Exactly(values, truth);

    private static string NameOf(string tensor, Node[] nodes, int i)
        => nodes.Length == 1 ? tensor : $"{tensor} of {nodes[i].Name}";

    private static double[] Doubles(float[] values) => Array.ConvertAll(values, v => (double)v);
}
