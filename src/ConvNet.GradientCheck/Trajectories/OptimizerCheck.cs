namespace ConvNet.GradientChecking;

/// <summary>Checks the optimiser of a training over several steps, on every way that leads to an update.</summary>
/// <remarks>
/// <list type="number">
/// <item>Forward, loss, backward and step. Before and after each step the parameters, the gradients and the state are
/// read, and the rule is run on exactly these float32 values (<see cref="UpdateReference"/>), so that errors do not
/// accumulate.</item>
/// <item>The same batches by <see cref="IExecutable.TrainStep"/>, with nothing read in between, once with
/// <see cref="TrainingSpec.KeepGradients"/> and once without, where the backend may update a weight while it computes
/// its gradient. Parameters, buffers and state must have the bits of the first way; the interface promises
/// it.</item>
/// <item>Given gradients: small integers at first, different for every value and step, with dyadic rates. A rule with
/// dyadic options does not round on them, and each update must be equal bit for bit. Gradients are also scaled,
/// clipped, and used for a second step; the state is saved and loaded into a new executable in between. Real gradients
/// follow.</item>
/// <item>The whole trajectory of given gradients: the double run from the same start, with the accumulated bound. It
/// does not take the state from the backend, so it finds a rule that works with a state other than the one it
/// saves.</item>
/// </list>
/// Frozen parameters must keep their bits.
/// </remarks>
internal sealed class OptimizerCheck
{
    /// <summary>The kind in the reports.</summary>
    public const string Kind = "optimizer";

    private const int TrainSteps = 3, LargestInteger = 8;

    // Each step has a rate of its own. Steps of a real network must not make its loss infinite.
    private static readonly float[] s_trainRates = [1f / 128, 1f / 256, 1f / 64];

    private static readonly GivenStep[] s_given =
    [
        new(0.5f), new(0.25f), new(1) { NewValues = true, Change = GradientChange.Scaled },
        new(0.5f) { Change = GradientChange.ClippedByValue }, new(0.25f) { Change = GradientChange.Repeated },
        new(0.5f) { NewValues = true, Resumed = true }, new(0.01f) { NewValues = true, Real = true },
        new(0.03f) { Real = true, Change = GradientChange.ClippedByNorm }, new(0.02f) { Real = true },
    ];

    private readonly Graph _graph;
    private readonly TrainingSpec _spec;
    private readonly CancellationToken _cancellation;
    private readonly TrainingBatches _batches;
    private readonly Parameter[] _trained, _still;

    /// <summary>Prepares the check.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="spec">How it is trained, with the optimiser and its groups.</param>
    /// <param name="cancellation">Cancels the check between two steps.</param>
    public OptimizerCheck(Graph graph, TrainingSpec spec, CancellationToken cancellation = default)
    {
        (_graph, _spec, _cancellation) = (graph, spec, cancellation);
        _batches = new TrainingBatches(graph, spec, TrainSteps);
        FrozenParameters frozen = FrozenParameters.Of(graph, spec);
        _trained = [.. graph.Parameters.Where(frozen.Trains)];
        _still = [.. graph.Parameters.Where(p => p.Trainable && !frozen.Trains(p))];
    }

    private enum GradientChange
    {
        None,
        Scaled,
        ClippedByValue,
        ClippedByNorm,
        Repeated,
    }

    private Optimizer Rule => _spec.Optimizer;

    /// <summary>Checks the optimiser on every backend.</summary>
    /// <param name="backends">The backends.</param>
    public IEnumerable<LayerReport> Check(IReadOnlyList<IBackend> backends)
        => _trained.Length == 0 ? [] : backends.SelectMany(Check);

    private List<LayerReport> Check(IBackend backend)
    {
        var reports = new List<LayerReport>();
        void Add(string step, IReadOnlyList<TensorReport> tensors, string remark = "")
        {
            if (tensors.Count > 0 || remark.Length > 0)
                reports.Add(new LayerReport(BackendVariant.NameOf(backend), $"{Rule.Kind} {step}", Kind,
                    CheckModes.Trajectories, tensors, remark));
        }
        TrainingSnapshot observed = StepByStep(backend, Add);
        TrainWhole(backend, keepGradients: true, observed, Add);
        TrainWhole(backend, keepGradients: false, observed, Add);
        Given(backend, Add);
        reports[^1] = BackendVariant.Completed(reports[^1], backend);
        return reports;
    }

    private delegate void Adding(string step, IReadOnlyList<TensorReport> tensors, string remark = "");

    private TrainingSnapshot StepByStep(IBackend backend, Adding add)
    {
        using IExecutable executable = Start(backend, keepGradients: true);
        var before = new TrainingSnapshot(executable, Rule);
        add("start", StartsAtZero(before));
        for (int step = 0; step < TrainSteps; step++)
        {
            _cancellation.ThrowIfCancellationRequested();
            Differentiate(executable, step);
            float[][] gradients = Gradients(executable);
            UpdateReference[] truth = References(before);
            Step(executable, truth, step + 1, s_trainRates[step], gradients);
            var after = new TrainingSnapshot(executable, Rule);
            add(FormattableString.Invariant($"step {step + 1}"), Compare(truth, before, after, step + 1));
            before = after;
        }
        return before;
    }

    // Nothing is read between the steps: reading could make the backend bring a copy up to date.
    private void TrainWhole(IBackend backend, bool keepGradients, TrainingSnapshot observed, Adding add)
    {
        using IExecutable executable = Start(backend, keepGradients);
        for (int step = 0; step < TrainSteps; step++)
        {
            _cancellation.ThrowIfCancellationRequested();
            executable.TrainStep(BatchValues.InOrder(_batches[step].Inputs), _batches[step].Targets,
                s_trainRates[step]);
        }
        TensorReport[] tensors = Equal(new TrainingSnapshot(executable, Rule), observed,
            "by Forward, Backward and Step");
        bool excused = tensors.Any(tensor => tensor.Failed > 0) && !IsReproducible(backend);
        add(keepGradients ? "whole" : "fused", excused ? [] : tensors,
            excused ? "two equal runs of the backend differ" : "");
    }

    private bool IsReproducible(IBackend backend)
    {
        TrainingSnapshot Run()
        {
            using IExecutable executable = Start(backend, keepGradients: true);
            for (int step = 0; step < TrainSteps; step++)
            {
                Differentiate(executable, step);
                executable.Step(s_trainRates[step]);
            }
            return new TrainingSnapshot(executable, Rule);
        }
        return Equal(Run(), Run(), "").All(tensor => tensor.Failed == 0);
    }

    private void Given(IBackend backend, Adding add)
    {
        var fill = new Fill(_spec.Seed);
        IExecutable executable = Start(backend, keepGradients: true);
        try
        {
            UpdateReference[] chain = [];
            float[][] gradients = [];
            for (int index = 0; index < s_given.Length; index++)
            {
                _cancellation.ThrowIfCancellationRequested();
                GivenStep step = s_given[index];
                if (step.Resumed)
                    executable = Resume(backend, executable);
                if (step.NewValues)
                    Write(executable, fill, index, step.Real);
                else if (index == 0)
                    Write(executable, fill, index, real: false);
                var before = new TrainingSnapshot(executable, Rule);
                List<TensorReport> tensors = [];
                if (step.Change != GradientChange.Repeated)
                {
                    Differentiate(executable, index % TrainSteps);
                    gradients = Written(executable, fill, index, step, tensors);
                }
                chain = Continue(chain, before, step);
                UpdateReference[] truth = References(before);
                Step(executable, truth, index + 1, step.Rate, gradients);
                for (int i = 0; i < chain.Length; i++)
                    chain[i].Step(ContextOf(_trained[i], index + 1, step.Rate), gradients[i]);
                var after = new TrainingSnapshot(executable, Rule);
                tensors.AddRange(Compare(truth, before, after, index + 1));
                add(FormattableString.Invariant($"given {index + 1}"), tensors, step.ToString());
                if (index == s_given.Length - 1 || s_given[index + 1].NewValues)
                    add(FormattableString.Invariant($"chain to {index + 1}"),
                        [.. CompareTrained(chain, after).Where(tensor => tensor.Elements > 0)]);
            }
        }
        finally
        {
            executable.Dispose();
        }
    }

    private IExecutable Resume(IBackend backend, IExecutable executable)
    {
        Serialization.TrainingState state = executable.SaveState();
        executable.Dispose();
        IExecutable resumed = Start(backend, keepGradients: true);
        try
        {
            resumed.LoadState(state);
            return resumed;
        }
        catch
        {
            resumed.Dispose();
            throw;
        }
    }

    private UpdateReference[] Continue(UpdateReference[] chain, TrainingSnapshot before, GivenStep step)
    {
        if (chain.Length == 0)
            return References(before);
        for (int i = 0; step.NewValues && i < chain.Length; i++)
            chain[i].Write(before[_trained[i]]);
        return chain;
    }

    private IExecutable Start(IBackend backend, bool keepGradients)
    {
        IExecutable executable = backend.Compile(_graph, _spec with { KeepGradients = keepGradients });
        foreach (Parameter p in _graph.Parameters)
            executable.Write(p, _batches.Parameters[p.Index]);
        return executable;
    }

    private void Differentiate(IExecutable executable, int batch)
    {
        executable.Forward(BatchValues.InOrder(_batches[batch].Inputs));
        executable.Loss(_batches[batch].Targets);
        executable.Backward();
    }

    private void Write(IExecutable executable, Fill fill, int step, bool real)
    {
        foreach (Parameter p in _trained)
            executable.Write(p, real ? fill.Uniform(Stream(p, step, 0), p.Length, 1)
                : fill.Integers(Stream(p, step, 0), p.Length, LargestInteger));
    }

    // Writes gradients, changes them in the way of the step, and returns them as the backend then holds them.
    private float[][] Written(IExecutable executable, Fill fill, int index, GivenStep step, List<TensorReport> tensors)
    {
        float[][] given = Array.ConvertAll(_trained, p => step.Real
            ? fill.Uniform(Stream(p, index, 1), p.Length, 1)
            : fill.Integers(Stream(p, index, 1), p.Length, LargestInteger));
        for (int i = 0; i < given.Length; i++)
            executable.WriteGradient(_trained[i], given[i]);
        double norm = Math.Sqrt(given.Sum(values => values.Sum(v => (double)v * v)));
        float limit = step.Change == GradientChange.ClippedByNorm ? (float)(norm / 2) : LargestInteger / 2;
        switch (step.Change)
        {
            case GradientChange.Scaled:
                executable.ScaleGradients(0.5f);
                break;
            case GradientChange.ClippedByValue:
                executable.ClipGradientValue(limit);
                break;
            case GradientChange.ClippedByNorm:
                ClipNorm(executable, limit, tensors);
                break;
        }
        float[][] held = Gradients(executable);
        for (int i = 0; i < held.Length; i++)
        {
            double[] truth = Array.ConvertAll(given[i], g => step.Change switch
            {
                GradientChange.Scaled => g / 2.0,
                GradientChange.ClippedByValue => Math.Clamp(g, -limit, limit),
                GradientChange.ClippedByNorm => g * (limit / norm),
                _ => g,
            });
            // The factor of a clipped norm is rounded, and so is the product with it. A small number that avoids a
            // division by zero is added to the norm.
            double relative = step.Change == GradientChange.ClippedByNorm
                ? 3 * BoundedSum.UnitRoundoff + 1e-6 / norm : 0;
            tensors.Add(Comparison.WithinBounds(held[i], new TruthTensor($"gradient of {_trained[i].Name}", truth)
            {
                Bounds = Array.ConvertAll(truth, g => relative * Math.Abs(g)),
            }));
        }
        return held;
    }

    // The given gradients are finite. A backend that finds their norm is not has others.
    private static void ClipNorm(IExecutable executable, float limit, List<TensorReport> tensors)
    {
        try
        {
            executable.ClipGradientNorm(limit);
        }
        catch (ArithmeticException)
        {
            tensors.Add(Comparison.WithinBounds([float.NaN], TruthTensor.Rounded("norm of the gradients", [limit])));
        }
    }

    // Every value and every step has numbers of its own: a state that values share is visible.
    private int Stream(Parameter p, int step, int of) => (1 + of + 2 * step) * _graph.Parameters.Count + p.Index;

    private float[][] Gradients(IExecutable executable) => Array.ConvertAll(_trained,
        p => executable.ReadGradient(p));

    private UpdateReference[] References(TrainingSnapshot start) => Array.ConvertAll(_trained,
        p => new UpdateReference(Rule, p, start[p], start.StateOf(Rule, p)));

    private UpdateContext ContextOf(Parameter p, long step, float rate) => Rule.OptionsOf(p).At(step, rate);

    private void Step(IExecutable executable, UpdateReference[] truth, long step, float rate, float[][] gradients)
    {
        executable.Step(rate);
        for (int i = 0; i < truth.Length; i++)
            truth[i].Step(ContextOf(_trained[i], step, rate), gradients[i]);
    }

    private TensorReport[] Compare(UpdateReference[] truth, TrainingSnapshot before, TrainingSnapshot after,
        long steps)
    {
        TensorReport count = Comparison.WithinBounds([after.Step], TruthTensor.Rounded("steps", [steps]));
        IEnumerable<TensorReport> still = _still.SelectMany(p => NamesOf(p)
            .Select(name => Equal(name, after[name], before[name], "before the step")));
        return [.. CompareTrained(truth, after), .. still, count];
    }

    private IEnumerable<TensorReport> CompareTrained(UpdateReference[] truth, TrainingSnapshot after)
    {
        for (int i = 0; i < truth.Length; i++)
        {
            yield return truth[i].Compare(after[_trained[i]]);
            float[][] state = after.StateOf(Rule, _trained[i]);
            for (int s = 0; s < state.Length; s++)
                yield return truth[i].CompareState(s, state[s]);
        }
    }

    private TensorReport[] StartsAtZero(TrainingSnapshot start) => [.. _trained.Concat(_still)
        .SelectMany(p => NamesOf(p).Skip(1)).Select(name => Comparison.WithinBounds(start[name],
            TruthTensor.Rounded(name, new double[start[name].Length])))];

    private IEnumerable<string> NamesOf(Parameter p)
        => [p.Name, .. Rule.StateNames.Select(state => Serialization.TrainingState.NameOf(p, state))];

    private static TensorReport[] Equal(TrainingSnapshot got, TrainingSnapshot expected, string against)
        => [.. expected.Names.Select(name => Equal(name, got[name], expected[name], against))];

    private static TensorReport Equal(string name, float[] got, float[] expected, string against)
        => Comparison.WithinBounds(got, TruthTensor.Rounded(name, Array.ConvertAll(expected, v => (double)v))) with
        {
            Against = against,
        };

    /// <summary>A step with given gradients.</summary>
    /// <param name="Rate">The learning rate.</param>
    private sealed record GivenStep(float Rate)
    {
        /// <summary>Whether the parameters are written before the step.</summary>
        public bool NewValues { get; init; }

        /// <summary>Whether the state is saved and loaded into a new executable before the step.</summary>
        public bool Resumed { get; init; }

        /// <summary>Whether the values are real numbers; otherwise small integers.</summary>
        public bool Real { get; init; }

        /// <summary>What is done with the gradients.</summary>
        public GradientChange Change { get; init; }

        public override string ToString() => string.Join(", ", ((string[])[Real ? "real numbers" : "integers", Change
            switch
        {
            GradientChange.Scaled => "gradients halved",
            GradientChange.ClippedByValue => "gradients clipped by value",
            GradientChange.ClippedByNorm => "gradients clipped by norm",
            GradientChange.Repeated => "the gradients of the previous step",
            _ => "",
        }, Resumed ? "after saving and loading the state" : ""]).Where(word => word.Length > 0));
    }
}
