namespace ConvNet.GradientChecking;

/// <summary>Compares whole networks: the distance of a backend from the float64 run may be at most that to which the
/// rounding errors of float32 add up.</summary>
/// <remarks>
/// No error bound is known for a whole network, so distances are compared per tensor in the Euclidean norm. The allowed
/// distance is the sum of two.
/// <para>The first is what errors in the tensors between the nodes do to the result. In several runs of the double
/// reference, every output of a node and every gradient is disturbed by the error that a right backend may make there:
/// 8 times the largest error that the float32 reference makes in this node alone, and one rounding. Values within this
/// error of a kink, of a ReLU, a maximum or a hinge, take the other branch in these runs, so that a backend may do so
/// as well. The runs come in pairs with opposite signs. A branch within the error is thus taken differently in one run
/// of each pair, and a backend that takes all of them differently is at most as far away as both runs together. Twice
/// the largest distance of the runs is therefore allowed. Several pairs prevent that effects that cancel by chance, as
/// in a gradient of one value, make the distance too small.</para>
/// <para>The second is the error in the compared tensor itself: 8 times that of the float32 reference on its own
/// values, or 8 roundings of the tensor.</para>
/// For a backend that declares algorithms less accurate than direct sums, 8 is multiplied by the ratio of their largest
/// λ to that of direct sums. If a tensor is further away, the report also names the kinks near which a value lies. The
/// output, the loss, the gradients and the parameters are compared after the given number of optimiser steps.
/// <para>The gradient of a batch normalisation is divided by the standard deviation σ of the values of a channel. Over
/// m values, σ lies near 0 with a density of about σᵐ⁻², so that 1/σ² has a mean only from m = 4 on. With fewer values,
/// no number of runs tells how far a rounding error is magnified, and a few such layers in a row make every gradient a
/// matter of chance. Such a network is therefore run on more samples, and the report says so.</para>
/// </remarks>
internal sealed class EndToEnd
{
    /// <summary>The kind of the reports of whole networks.</summary>
    public const string Kind = "graph";

    private const double Pair = 2;

    private const int FewestNormalized = 4;

    // A run of a large network takes seconds, and effects rarely cancel in its large tensors.
    private static readonly (long MultiplyAdds, int Runs)[] s_runs = [(1 << 26, 8), (1 << 30, 4), (long.MaxValue, 2)];

    private readonly Graph _graph;
    private readonly TrainingSpec _spec;
    private readonly int _steps;
    private readonly float _learningRate;
    private readonly TrainingBatches _batches;
    private readonly FrozenParameters _frozen;
    private readonly string _remark;

    /// <summary>Prepares the run: generates parameters, batches and labels from the seed.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="spec">The training specification. Its batch size is raised where a batch normalisation would have
    /// too few values.</param>
    /// <param name="steps">The number of optimiser steps before the comparison.</param>
    /// <param name="learningRate">The learning rate of the steps.</param>
    public EndToEnd(Graph graph, TrainingSpec spec, int steps, float learningRate)
    {
        _frozen = FrozenParameters.Of(graph, spec);
        int samples = Math.Max(spec.BatchSize, SamplesToNormalize(graph, _frozen));
        (_graph, _spec, _steps, _learningRate) = (graph, spec with { BatchSize = samples }, steps, learningRate);
        _batches = new TrainingBatches(graph, _spec, steps + 1);
        _remark = samples == spec.BatchSize ? ""
            : $"with {samples} samples, so that each batch normalisation has at least {FewestNormalized} values";
    }

    /// <summary>Runs the references and every backend, and compares the results.</summary>
    /// <param name="backends">The backends.</param>
    /// <param name="cancellation">Cancels the check between two passes of the network.</param>
    public IEnumerable<LayerReport> Check(IReadOnlyList<IBackend> backends, CancellationToken cancellation = default)
    {
        using var reference = new ManagedBackend();
        double[][] truth = RunExact(reference, null, cancellation);
        var rounding = new RoundingErrors(_spec.Seed);
        double[] own = OwnErrors(reference, rounding, cancellation);
        var carried = new Dictionary<double, double[]>();
        foreach (IBackend backend in backends)
        {
            using IExecutable executable = backend.Compile(_graph, _spec);
            double[][] got = Run(executable, null, cancellation);
            double allowance = MeasuredBounds.Allowance * Loosest(executable);
            if (!carried.TryGetValue(allowance, out double[]? disturbed))
            {
                carried[allowance] = disturbed = new double[truth.Length];
                for (int run = 0; run < Runs; run++)
                {
                    double[][] result = RunExact(reference, rounding.Disturbing(run, allowance), cancellation);
                    for (int i = 0; i < truth.Length; i++)
                        disturbed[i] = Math.Max(disturbed[i], Distance(result[i], truth[i]));
                }
            }
            yield return BackendVariant.Completed(WithKinksNamed(allowance,
                new LayerReport(BackendVariant.NameOf(backend), "network", Kind, CheckModes.EndToEnd,
                [.. Names().Select((name, i) => Compare(name, got[i], truth[i],
                    Pair * disturbed[i] + allowance * Math.Max(own[i], BoundedSum.UnitRoundoff * Norm(truth[i]))))],
                _remark), cancellation), backend);
        }
    }

    /// <summary>Compares the gradients of the double reference with derivatives of the loss by dual numbers. The report
    /// is empty, with the reason, if the network is too large for that.</summary>
    /// <param name="cancellation">Cancels the check between two passes of the network.</param>
    public LayerReport ForwardMode(CancellationToken cancellation = default)
    {
        bool takes = NetworkDuals.Takes(_graph, _spec.BatchSize);
        return new LayerReport(LayerReport.Reference, "network", Kind, CheckModes.ForwardMode,
            takes ? [new NetworkDuals(_graph, _spec with { InputGradient = true }, _batches.Parameters,
                _batches[_steps].Inputs, _batches[_steps].Kept).Check(cancellation)] : [],
            takes ? _remark : NetworkDuals.TooLarge);
    }

    private static int SamplesToNormalize(Graph graph, FrozenParameters frozen) => graph.LayerNodes
        .Where(node => node.Parameters.Any(p => p.Role == ParameterRole.RunningVariance) && !frozen.Contains(node))
        .Select(node => (FewestNormalized - 1) / node.Shape.Area + 1).DefaultIfEmpty(1).Max();

    // The ratio of the λ of an executable's least accurate sums to that of direct sums.
    private static double Loosest(IExecutable executable) => executable is not IDeclaresAlgorithms declaring ? 1
        : executable.Graph.LayerNodes
            .SelectMany(node => Enum.GetValues<SumPass>()
                .Select(pass => DeclaredAccuracy.Lambda(declaring.AlgorithmOf(node, pass), pass)))
            .Max() / DeclaredAccuracy.Direct;

    private int Runs
    {
        get
        {
            long cost = _spec.BatchSize * _graph.LayerNodes.Sum(node => node.Layer!.MultiplyAdds(node.InputShapes));
            return s_runs.First(each => cost <= each.MultiplyAdds).Runs;
        }
    }

    private double[][] RunExact(ManagedBackend reference, TraceCallback? trace, CancellationToken cancellation)
    {
        using ManagedPlan<double> plan = reference.Compile<double>(_graph, _spec);
        plan.Trace = trace;
        return Run(plan, plan, cancellation);
    }

    // The distances of the results of the float32 reference from those of the double reference that makes each pass
    // from the same state and on the same tensors between the nodes.
    private double[] OwnErrors(ManagedBackend reference, RoundingErrors rounding, CancellationToken cancellation)
    {
        using ManagedPlan<float> single = reference.Compile<float>(_graph, _spec);
        using ManagedPlan<double> twin = reference.Compile<double>(_graph, _spec);
        (single.Trace, twin.Trace) = (rounding.Keep, rounding.Measure);
        WriteParameters(single);
        double[] moved = new double[_graph.Parameters.Count];
        for (int step = 0; step < _steps; step++)
        {
            twin.LoadState(single.SaveState());
            Train(single, step, cancellation);
            Train(twin, step, cancellation);
            foreach (Parameter p in _graph.Parameters)
                moved[p.Index] += Distance(Value(single, null, p), Value(twin, twin, p));
        }
        twin.LoadState(single.SaveState());
        double[][] got = Pass(single, null, cancellation), exact = Pass(twin, twin, cancellation);
        double[] own = [.. got.Zip(exact, Distance)];
        for (int i = 0; i < moved.Length; i++)
            own[own.Length - moved.Length + i] += moved[i];
        return own;
    }

    private LayerReport WithKinksNamed(double allowance, LayerReport report, CancellationToken cancellation)
    {
        if (report.Verdict != Verdict.Fail || _steps > 0)
            return report;
        NearBranch[] near = [.. Branches.Near(_graph, _spec.BatchSize, _batches[0].Inputs, _batches.Parameters,
            _spec.Seed, _frozen, allowance, cancellation).OrderBy(branch => branch.Margin)];
        return near.Length == 0 ? report : report with
        {
            Tensors = [.. report.Tensors.Select(t => t with { Flips = t.Failed > 0 ? near.Length : 0 })],
            Remark = string.Join("; ", ((string[])[near.Length == 1 ? near[0].ToString()
                : $"{near[0]}, and {near.Length - 1} more", _remark]).Where(text => text.Length > 0)),
        };
    }

    /// <summary>Compares a tensor by its distance in the Euclidean norm.</summary>
    /// <param name="name">The name used in reports.</param>
    /// <param name="got">The values of the backend.</param>
    /// <param name="truth">The values of the double run.</param>
    /// <param name="allowed">The allowed distance.</param>
    internal static TensorReport Compare(string name, double[] got, double[] truth, double allowed)
    {
        double distance = Distance(got, truth);
        double inBounds = distance == 0 ? 0 : distance / allowed;
        bool passes = inBounds <= 1;
        int worst = 0;
        for (int i = 1; i < got.Length; i++)
            worst = Math.Abs(got[i] - truth[i]) > Math.Abs(got[worst] - truth[worst]) || double.IsNaN(got[i]) ? i
                : worst;
        return new TensorReport(name, got.Length, double.IsNaN(inBounds) ? double.PositiveInfinity : inBounds, 0, worst,
            got[worst], truth[worst],
            passes ? 0 : 1, 0);
    }

    private IEnumerable<string> Names() =>
    [
        .. _graph.Outputs.Select(output => NameOf("output", output)),
        .. _batches.Objectives.Select(objective => NameOf("loss", objective.Output)),
        .. Trained().Select(p => $"gradient of {p.Name}"), .. _graph.Parameters.Select(p => p.Name),
    ];

    private string NameOf(string what, Node output)
        => _graph.Outputs.Count == 1 ? what : $"{what} of {output.Name}";

    private IEnumerable<Parameter> Trained()
        => _graph.Parameters.Where(_frozen.Trains);

    private double[][] Run(IExecutable executable, ManagedPlan<double>? exact, CancellationToken cancellation)
    {
        WriteParameters(executable);
        for (int step = 0; step < _steps; step++)
            Train(executable, step, cancellation);
        return Pass(executable, exact, cancellation);
    }

    private void WriteParameters(IExecutable executable)
    {
        foreach (Parameter p in _graph.Parameters)
            executable.Write(p, _batches.Parameters[p.Index]);
    }

    private void Train(IExecutable executable, int step, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        executable.TrainStep(BatchValues.InOrder(_batches[step].Inputs), _batches[step].Targets, _learningRate);
    }

    // Makes the last pass and returns the compared tensors.
    private double[][] Pass(IExecutable executable, ManagedPlan<double>? exact, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        executable.Forward(BatchValues.InOrder(_batches[_steps].Inputs));
        double[] Output(Node output)
        {
            if (exact is not null)
                return [.. exact.Activation(output)];
            var values = new float[_spec.BatchSize * output.Shape.Length];
            executable.ReadOutput(BatchBuffers.Of((output.Name, values)));
            return Doubles(values);
        }
        double[][] outputs = [.. _graph.Outputs.Select(Output)];
        executable.Loss(_batches[_steps].Targets);
        double[][] losses = [.. _batches.Objectives.Select(of => new[] { executable.ReadLoss(of.Output.Name) })];
        cancellation.ThrowIfCancellationRequested();
        executable.Backward();
        double[] Gradient(Parameter p) => exact is null ? Doubles(executable.ReadGradient(p)) : [.. exact.Gradient(p)];
        return [.. outputs, .. losses, .. Trained().Select(Gradient),
            .. _graph.Parameters.Select(p => Value(executable, exact, p))];
    }

    private static double[] Value(IExecutable executable, ManagedPlan<double>? exact, Parameter parameter)
        => exact is null ? Doubles(executable.Read(parameter)) : [.. exact.Values(parameter)];

    private static double[] Doubles(float[] values) => Array.ConvertAll(values, v => (double)v);

    /// <summary>The Euclidean norm of a tensor.</summary>
    internal static double Norm(double[] values) => Math.Sqrt(values.Sum(v => v * v));

    /// <summary>The distance of two tensors in the Euclidean norm.</summary>
    internal static double Distance(double[] a, double[] b)
    {
        double squares = 0;
        for (int i = 0; i < a.Length; i++)
            squares += (a[i] - b[i]) * (a[i] - b[i]);
        return Math.Sqrt(squares);
    }
}
