namespace ConvNet.GradientChecking;

/// <summary>Compares whole networks: the distance of a backend from the float64 run may be at most 8 times that of
/// float32 itself.</summary>
/// <remarks>
/// For a backend that declares algorithms less accurate than direct sums, the factor is 8 times the ratio of their
/// largest λ to that of direct sums. No error bound is known for a whole network, so distances are compared per tensor
/// in the Euclidean norm. The distance of float32 is the largest distance of several runs of the float32 reference: one
/// from the parameters themselves, the others from parameters that are each moved by one ulp. A single run can be close
/// by chance, which is common if sums cancel. One rounding of the result is always allowed. If a value is so close to a
/// kink that float32 may take either side, a larger distance is suspect, not wrong, and the report names the kink. The
/// output, the loss, the gradients and the parameters are compared after the given number of optimiser steps.
/// </remarks>
internal sealed class EndToEnd
{
    /// <summary>The kind of the reports of whole networks.</summary>
    public const string Kind = "graph";

    // A run of a large network takes seconds, and its many terms average out random deviations.
    private const int MovedRuns = 4, MovedRunsOfLarge = 1;
    private const long Large = 1 << 30;

    private readonly Graph _graph;
    private readonly TrainingSpec _spec;
    private readonly int _steps;
    private readonly float _learningRate;
    private readonly TrainingBatches _batches;
    private readonly FrozenParameters _frozen;

    /// <summary>Prepares the run: generates parameters, batches and labels from the seed.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="spec">The training specification.</param>
    /// <param name="steps">The number of optimiser steps before the comparison.</param>
    /// <param name="learningRate">The learning rate of the steps.</param>
    public EndToEnd(Graph graph, TrainingSpec spec, int steps, float learningRate)
    {
        (_graph, _spec, _steps, _learningRate) = (graph, spec, steps, learningRate);
        _frozen = FrozenParameters.Of(graph, spec);
        _batches = new TrainingBatches(graph, spec, steps + 1);
    }

    /// <summary>Runs the references and every backend, and compares the results.</summary>
    /// <param name="backends">The backends.</param>
    /// <param name="cancellation">Cancels the check between two passes of the network.</param>
    public IEnumerable<LayerReport> Check(IReadOnlyList<IBackend> backends, CancellationToken cancellation = default)
    {
        using var reference = new ManagedBackend();
        using ManagedPlan<double> plan = reference.Compile<double>(_graph, _spec);
        double[][] truth = Run(plan, plan, _batches.Parameters, cancellation);
        double[] unavoidable = DistancesOfFloat(reference, truth, cancellation);
        foreach (IBackend backend in backends)
        {
            using IExecutable executable = backend.Compile(_graph, _spec);
            double[][] got = Run(executable, null, _batches.Parameters, cancellation);
            double allowance = MeasuredBounds.Allowance * Loosest(executable);
            yield return BackendVariant.Completed(WithFlipsNamed(allowance,
                new LayerReport(BackendVariant.NameOf(backend), "network", Kind, CheckModes.EndToEnd,
                [.. Names().Select((name, i) => Compare(name, got[i], truth[i], allowance, unavoidable[i]))]),
                    cancellation), backend);
        }
    }

    /// <summary>Compares the gradients of the double reference with derivatives of the loss by dual numbers. The report
    /// is empty, with the reason, if the network is too large for that.</summary>
    /// <param name="cancellation">Cancels the check between two passes of the network.</param>
    public LayerReport ForwardMode(CancellationToken cancellation = default)
    {
        bool takes = NetworkDuals.Takes(_graph, _spec.BatchSize);
        return new LayerReport("reference", "network", Kind, CheckModes.ForwardMode,
            takes ? [new NetworkDuals(_graph, _spec with { InputGradient = true }, _parameters, _inputs[_steps],
                _targets[_steps]).Check(cancellation)] : [],
            takes ? "" : NetworkDuals.TooLarge);
    }

    // The ratio of the λ of an executable's least accurate sums to that of direct sums.
    private static double Loosest(IExecutable executable) => executable is not IDeclaresAlgorithms declaring ? 1
        : executable.Graph.LayerNodes
            .SelectMany(node => Enum.GetValues<SumPass>()
                .Select(pass => DeclaredAccuracy.Lambda(declaring.AlgorithmOf(node, pass), pass)))
            .Max() / DeclaredAccuracy.Direct;

    private double[] DistancesOfFloat(ManagedBackend reference, double[][] truth, CancellationToken cancellation)
    {
        var largest = new double[truth.Length];
        bool large = _spec.BatchSize * _graph.LayerNodes
            .Sum(node => node.Layer!.MultiplyAdds(node.InputShapes)) > Large;
        for (int moved = 0; moved <= (large ? MovedRunsOfLarge : MovedRuns); moved++)
        {
            using ManagedPlan<float> plan = reference.Compile<float>(_graph, _spec);
            double[][] single = Run(plan, null, moved == 0 ? _batches.Parameters : Moved(moved), cancellation);
            for (int i = 0; i < largest.Length; i++)
                largest[i] = Math.Max(largest[i], Distance(single[i], truth[i]));
        }
        return largest;
    }

    // Near a kink, the distance does not distinguish a wrong gradient from the correct gradient of the other side. The
    // result is therefore only suspect.
    private LayerReport WithFlipsNamed(double allowance, LayerReport report, CancellationToken cancellation)
    {
        if (report.Verdict != Verdict.Fail || _steps > 0)
            return report;
        NearBranch[] near = [.. Branches.Near(_graph, _spec.BatchSize, _batches.Inputs(0), _batches.Parameters,
            _spec.Seed, _frozen, allowance, cancellation).OrderBy(branch => branch.Margin)];
        return near.Length == 0 ? report : report with
        {
            Tensors = [.. report.Tensors.Select(
                t => t with { Failed = 0, Suspects = t.Failed + t.Suspects, Flips = t.Failed > 0 ? near.Length : 0 })],
            Remark = near.Length == 1 ? near[0].ToString() : $"{near[0]}, and {near.Length - 1} more",
        };
    }

    private static TensorReport Compare(string name, double[] got, double[] truth, double allowance, double unavoidable)
    {
        double norm = Math.Sqrt(truth.Sum(v => v * v)), distance = Distance(got, truth);
        double allowed = allowance * Math.Max(unavoidable, BoundedSum.UnitRoundoff * norm);
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

    private double[][] Run(IExecutable executable, ManagedPlan<double>? exact, float[][] parameters,
        CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        foreach (Parameter p in _graph.Parameters)
            executable.Write(p, parameters[p.Index]);
        for (int step = 0; step < _steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            executable.TrainStep(BatchValues.InOrder(_batches.Inputs(step)), _batches.TargetsOf(step), _learningRate);
        }
        executable.Forward(BatchValues.InOrder(_batches.Inputs(_steps)));
        double[] Output(Node output) => exact is not null ? [.. exact.Activation(output)] : Read(
            _spec.BatchSize * output.Shape.Length,
            values => executable.ReadOutput(BatchBuffers.Of((output.Name, values))));
        double[][] outputs = [.. _graph.Outputs.Select(Output)];
        executable.Loss(_batches.TargetsOf(_steps));
        double[][] losses = [.. _batches.Objectives.Select(of => new[] { executable.ReadLoss(of.Output.Name) })];
        cancellation.ThrowIfCancellationRequested();
        executable.Backward();
        double[] Gradient(Parameter p) => exact is null ? Read(p.Length, values => executable.ReadGradient(p, values))
            : [.. exact.Gradient(p)];
        double[] Value(Parameter p) => exact is null ? Read(p.Length, values => executable.Read(p, values))
            : [.. exact.Values(p)];
        return [.. outputs, .. losses, .. Trained().Select(Gradient), .. _graph.Parameters.Select(Value)];
    }

    private float[][] Moved(int run)
    {
        long index = 0;
        return Array.ConvertAll(_batches.Parameters, values => Array.ConvertAll(values,
            v => (Philox.Word(_spec.Seed, run, -1, index++) & 1) == 0 ? MathF.BitIncrement(v) : MathF.BitDecrement(v)));
    }

    private delegate void Reader(float[] values);

    private static double[] Read(int length, Reader read)
    {
        var values = new float[length];
        read(values);
        return Array.ConvertAll(values, v => (double)v);
    }

    private static double Distance(double[] a, double[] b)
    {
        double squares = 0;
        for (int i = 0; i < a.Length; i++)
            squares += (a[i] - b[i]) * (a[i] - b[i]);
        return Math.Sqrt(squares);
    }
}
