using ConvNet.Serialization;

namespace ConvNet.GradientChecking;

/// <summary>Runs the passes of a training on one backend and compares each.</summary>
internal sealed class PlanTraining
{
    private const float LearningRate = 0.25f;

    private readonly Graph _graph;
    private readonly TrainingSpec _spec;
    private readonly GradientCheckOptions _options;
    private readonly IBackend _backend;
    private readonly PlanResults _results;
    private readonly FrozenParameters _frozen;
    private readonly IReadOnlyList<Objective> _objectives;
    private readonly TruthCache _shared;
    private readonly int _few;

    /// <summary>Prepares the passes.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="spec">The training.</param>
    /// <param name="options">The modes, the seed and the cancellation.</param>
    /// <param name="backend">The backend.</param>
    /// <param name="results">Receives the comparisons.</param>
    /// <param name="shared">Keeps results that several backends share.</param>
    public PlanTraining(Graph graph, TrainingSpec spec, GradientCheckOptions options, IBackend backend,
        PlanResults results, TruthCache shared)
    {
        (_graph, _spec, _options, _backend, _results, _shared) = (graph, spec with { KeepGradients = true }, options,
            backend, results, shared);
        (_frozen, _objectives) = (FrozenParameters.Of(graph, spec), spec.Losses.For(graph));
        // A smaller last batch, with an odd number of samples where that is possible.
        _few = Math.Max(1, spec.BatchSize * 2 / 3 | 1);
        _few = Math.Min(_few, spec.BatchSize);
    }

    /// <summary>Runs all passes.</summary>
    /// <param name="numbers">The whole numbers of each exact run.</param>
    /// <param name="keepsGradients">Whether the training keeps gradients. If not, its own step is checked too.</param>
    public void Run(IReadOnlyList<WholeNumbers> numbers, bool keepsGradients)
    {
        using IExecutable executable = _backend.Compile(_graph, _spec),
            inference = _backend.CompileInference(_graph, _spec.BatchSize);
        var session = new TracedSession(executable) { Inferring = inference };
        if (_options.Modes.HasFlag(CheckModes.PlanReal))
            TrainOnReals(session);
        if (_options.Modes.HasFlag(CheckModes.PlanExact))
        {
            for (int run = 0; run < numbers.Count; run++)
                TrainOnWholeNumbers(session, numbers[run], run, keepsGradients);
        }
        if (!keepsGradients && _options.Modes.HasFlag(CheckModes.PlanReal))
            InferAroundStepInside(inference);
        WriteReals(executable);
        executable.CopyParametersTo(inference);
        Infer(new TracedSession(inference), _spec.BatchSize, null, ", inference only");
    }

    private void TrainOnReals(TracedSession session)
    {
        IExecutable executable = session.Executable;
        WriteReals(executable);
        // What inference prepares from the parameters must be prepared anew after a step.
        Infer(session, _few, null, ", before a step");
        Dictionary<Parameter, float[]> first = Train(session, Real(_spec.BatchSize, 0), null, null, "");
        Dictionary<Parameter, float[]> sum = Train(session, Real(_few, 1), null, first, $", {_few} samples added");
        Step(session, LearningRate / 16, sum, CheckModes.PlanReal, "");
        Infer(session, _spec.BatchSize, null, ", after a step");
        Infer(session, _few, null, $", {_few} samples");
    }

    private void TrainOnWholeNumbers(TracedSession session, WholeNumbers numbers, int run, bool keepsGradients)
    {
        IExecutable executable = session.Executable;
        foreach (Parameter parameter in _graph.Parameters)
            executable.Write(parameter, numbers.Parameter(parameter));
        TrainingState start = executable.SaveState();
        TrainingBatch batch = TrainingBatch.Whole(_graph, _objectives, _spec.BatchSize, numbers.Input, _options.Seed);
        Dictionary<Parameter, float[]> gradients = Train(session, batch, numbers, null, run == 0 ? "" : ", multiples");
        Step(session, LearningRate, gradients, CheckModes.PlanExact, run == 0 ? "" : ", multiples");
        if (!keepsGradients)
            StepInside(batch, numbers, start, executable, run);
        if (run > 0)
            return;
        foreach (Parameter parameter in _graph.Parameters)
            executable.Write(parameter, numbers.Parameter(parameter));
        Infer(session, _spec.BatchSize, numbers, "");
    }

    // Makes a step and compares each parameter and its state with the rule on the gradients that were read.
    private void Step(TracedSession session, float learningRate, Dictionary<Parameter, float[]> gradients,
        CheckModes mode, string suffix)
    {
        IExecutable executable = session.Executable;
        Optimizer rule = _spec.Optimizer;
        var before = new TrainingSnapshot(executable, rule);
        executable.Step(learningRate);
        var after = new TrainingSnapshot(executable, rule);
        foreach (Parameter parameter in _graph.Parameters.Where(parameter => parameter.Trainable))
        {
            var truth = new UpdateReference(rule, parameter, before[parameter], before.StateOf(rule, parameter));
            if (gradients.TryGetValue(parameter, out float[]? gradient))
                truth.Step(rule.OptionsOf(parameter).At(before.Step + 1, learningRate), gradient);
            float[][] state = after.StateOf(rule, parameter);
            foreach (TensorReport report in (IEnumerable<TensorReport>)[truth.Compare(after[parameter]),
                .. state.Select((values, i) => truth.CompareState(i, values))])
                _results.Add(session.OperationOf(parameter), parameter.Node.Layer!.Kind, PlanPart.Update, mode,
                    report with { Name = $"{report.Name}{suffix}" }, exact: false);
        }
    }

    // A training step that keeps no gradients must leave the same parameters as one that keeps them.
    private void StepInside(TrainingBatch batch, WholeNumbers numbers, TrainingState start, IExecutable other, int run)
    {
        using IExecutable executable = _backend.Compile(_graph, _spec with { KeepGradients = false });
        executable.LoadState(start);
        var session = new TracedSession(executable);
        PassFacts before = session.Facts(_graph, batch, numbers.Of, _spec, _frozen, _shared, _options);
        session.Trace(before.Pass, () => executable.TrainStep(BatchValues.InOrder(batch.Inputs), batch.Targets,
            LearningRate));
        string suffix = run == 0 ? ", step inside" : ", step inside, multiples";
        Compare(new PassComparison(before, _results, numbers, suffix, PlanPart.Inside), before, executable,
            gradients: false, null,
            suffix, batch, exact: true);
        CompareParameters(session, other, suffix);
        if (run > 0)
            return;
        foreach (IExecutable each in (IExecutable[])[executable, other])
        {
            each.LoadState(start);
            Accumulate(each, batch);
        }
        CompareParameters(session, other, ", accumulated");
    }

    // What inference prepares from the parameters must be prepared anew after such a step too.
    private void InferAroundStepInside(IExecutable inference)
    {
        using IExecutable executable = _backend.Compile(_graph, _spec with { KeepGradients = false });
        WriteReals(executable);
        var session = new TracedSession(executable) { Inferring = inference };
        Infer(session, _few, null, ", before a step inside");
        TrainingBatch batch = Real(_spec.BatchSize, 0);
        const string Suffix = ", step inside";
        PassFacts facts = session.Facts(_graph, batch, null, _spec, _frozen, new TruthCache(), _options);
        session.Trace(facts.Pass, () => executable.TrainStep(BatchValues.InOrder(batch.Inputs), batch.Targets,
            LearningRate / 16));
        Compare(new PassComparison(facts, _results, null, Suffix, PlanPart.Inside), facts, executable,
            gradients: false, null, Suffix, batch, exact: false);
        Infer(session, _few, null, ", after a step inside");
    }

    // Two passes whose gradients are added, and a step.
    private static void Accumulate(IExecutable executable, TrainingBatch batch)
    {
        foreach (bool accumulate in (bool[])[false, true])
        {
            executable.Forward(BatchValues.InOrder(batch.Inputs));
            executable.Loss(batch.Targets);
            executable.Backward(accumulate);
        }
        executable.Step(LearningRate);
    }

    private void CompareParameters(TracedSession session, IExecutable other, string suffix)
    {
        IExecutable executable = session.Executable;
        foreach (Parameter parameter in _graph.Parameters)
        {
            string operation = session.OperationOf(parameter);
            TensorReport report = Comparison.Exactly(executable.Read(parameter), TruthTensor.Rounded(
                $"{parameter.Name}{suffix}", Array.ConvertAll(other.Read(parameter), v => (double)v)));
            _results.Add(operation, parameter.Node.Layer!.Kind, PlanPart.Inside, CheckModes.PlanExact, report with
            {
                Against = report.Failed > 0 ? "after a step that keeps its gradients" : "",
            }, true);
            _results.Credit(operation, PlanPart.Update, report, true);
        }
    }

    private Dictionary<Parameter, float[]> Train(TracedSession session, TrainingBatch batch, WholeNumbers? numbers,
        Dictionary<Parameter, float[]>? before, string suffix)
    {
        IExecutable executable = session.Executable;
        _options.Cancellation.ThrowIfCancellationRequested();
        PassFacts facts = session.Facts(_graph, batch, numbers is null ? null : numbers.Of, _spec, _frozen,
            numbers is null ? new TruthCache() : _shared, _options);
        session.Trace(facts.Pass, () =>
        {
            executable.Forward(BatchValues.InOrder(batch.Inputs));
            executable.Loss(batch.Targets);
            executable.Backward(accumulate: before is not null);
        });
        Compare(new PassComparison(facts, _results, numbers, suffix), facts, executable, gradients: true, before,
            suffix, batch, numbers is not null);
        return _graph.Parameters.Where(_frozen.Trains).ToDictionary(p => p, p => executable.ReadGradient(p));
    }

    private void Compare(PassComparison comparison, PassFacts facts, IExecutable executable, bool gradients,
        Dictionary<Parameter, float[]>? before, string suffix, TrainingBatch batch, bool exact)
    {
        comparison.Outputs(PlanPart.Forward);
        comparison.Buffers(parameter => executable.Read(parameter));
        ILookup<Node, KnownTensor> losses = Losses(facts, executable, batch, suffix, exact);
        comparison.Gradients(losses);
        if (gradients)
            comparison.ParameterGradients(parameter => executable.ReadGradient(parameter), _frozen.Trains, before);
        if (!_spec.InputGradient)
            return;
        float[][] inputs = [.. _graph.Inputs.Select(input => new float[batch.N * input.Shape.Length])];
        executable.ReadInputGradient(BatchBuffers.InOrder(inputs));
        for (int i = 0; i < inputs.Length; i++)
            comparison.InputGradient(_graph.Inputs[i], inputs[i], losses);
    }

    // Compares the value of each loss, and returns the gradients by the node whose tensor they belong to.
    private ILookup<Node, KnownTensor> Losses(PassFacts facts, IExecutable executable, TrainingBatch batch,
        string suffix, bool exact)
    {
        var gradients = new List<(Node, KnownTensor)>();
        foreach ((Node output, Loss loss, float weight) in _objectives)
        {
            LossTruth truth = LossBounds.Evaluate(loss, output.Shape, facts.Pass.Value(output),
                batch.Targets.For(output));
            bool isExact = exact && loss.Rounding(output.Shape, batch.N) is null;
            double[] got = [executable.ReadLoss(output.Name)];
            TensorReport report = isExact ? Comparison.Exactly([(float)got[0]], truth.Loss)
                : Comparison.WithinBounds([(float)got[0]], truth.Loss);
            _results.Add(output.Name, loss.GetType().Name, PlanPart.Loss, exact ? CheckModes.PlanExact
                : CheckModes.PlanReal, report with { Name = $"loss{suffix}" }, isExact);
            double[] values = Array.ConvertAll(truth.Gradient.Values, v => weight * v);
            double[] bounds = [.. truth.Gradient.Bounds.Select((bound, i)
                => Math.Abs(weight) * bound + BoundedSum.UnitRoundoff * Math.Abs(values[i]))];
            if (!isExact)
            {
                foreach (int flip in truth.Flips)
                    values[flip] = double.NaN;
            }
            gradients.Add((facts.Pass.Outline.Source(output), isExact ? KnownTensor.Exact(values)
                : new KnownTensor(values, bounds, bounds)));
        }
        return gradients.ToLookup(each => each.Item1, each => each.Item2);
    }

    private void Infer(TracedSession session, int n, WholeNumbers? numbers, string suffix)
    {
        _options.Cancellation.ThrowIfCancellationRequested();
        TrainingBatch batch = numbers is null ? Real(n, 2)
            : TrainingBatch.Whole(_graph, _objectives, n, numbers.Input, _options.Seed);
        PassFacts facts = session.InferenceFacts(_graph, batch, numbers is null ? null : numbers.Of,
            numbers is null ? new TruthCache() : _shared, _options);
        float[][] outputs = [.. _graph.Outputs.Select(output => new float[n * output.Shape.Length])];
        session.Trace(facts.Pass, () => session.Executable.Infer(BatchValues.InOrder(batch.Inputs),
            BatchBuffers.InOrder(outputs)));
        new PassComparison(facts, _results, numbers, suffix).Outputs(PlanPart.Inference);
    }

    private TrainingBatch Real(int n, int stream)
        => TrainingBatch.Real(_graph, _objectives, n, _options.Seed + ((ulong)stream << 32));

    private void WriteReals(IExecutable executable)
    {
        var fill = new Fill(_options.Seed);
        int stream = 0;
        foreach (Node node in _graph.LayerNodes)
        {
            foreach ((Parameter parameter, ParameterSpec spec) in node.Parameters
                .Zip(node.Layer!.Parameters(node.InputShapes)))
                executable.Write(parameter, fill.Parameter(stream++, spec));
        }
    }
}
