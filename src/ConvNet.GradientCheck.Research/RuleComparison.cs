using static System.FormattableString;

namespace ConvNet.GradientChecking.Research;

/// <summary>How often a rule reported a result as wrong.</summary>
/// <param name="Rule">The name of the rule.</param>
/// <param name="Terms">The number of terms in the sums.</param>
/// <param name="Scale">The factor by which the gradient of the output is multiplied; 1 for an output.</param>
/// <param name="Target">The result: y, dx or dw.</param>
/// <param name="Kind">The injected fault. Null if the result was correct, so that every alarm is a false alarm.</param>
/// <param name="Backend">The backend that computed the result.</param>
/// <param name="Results">The number of results judged.</param>
/// <param name="Alarms">The number of results reported as wrong.</param>
public sealed record RuleRow(string Rule, int Terms, double Scale, FaultTarget Target, FaultKind? Kind, string Backend,
    int Results, int Alarms);

/// <summary>Measures how well common tolerance rules work on correct results of real backends and on results with
/// faults.</summary>
/// <remarks>
/// Judges outputs and gradients with short and long sums. The inputs are uniform in ±1, the weights as in He et al.,
/// and the gradient of the output is uniform in ±1 times a scale. The rules compare with the double run rounded to
/// float32, a better reference than they have in practice. Finite differences are those of a float32 loss Σ y·dy with
/// differences of 10⁻³. They report an error if they differ from the gradient by more than 1% of the larger of the two.
/// In each tensor, 16 random elements are compared, and the faulty element if there is one.
/// </remarks>
public static class RuleComparison
{
    private const int Batch = 128, FewSamples = 16, Width = 4, Looks = 16;
    private const float H = 1e-3f;
    private const double AllowedDifference = 1e-2;

    /// <summary>The names of the rules in the order of the table: the common rules, finite differences, and the two
    /// modes of this library.</summary>
    public static IReadOnlyList<string> Rules { get; } = [.. ToleranceRule.Common.Select(rule => rule.Name),
        FiniteDifferences, Real, Exact];

    /// <summary>The numbers of terms in the sums.</summary>
    public static IReadOnlyList<int> Lengths { get; } = [512, 4_608, 18_432, 73_728];

    private const string FiniteDifferences = "finite differences in float32", Real = "real mode", Exact = "exact mode";

    /// <summary>The scales of the gradient of the output: of a sum over the batch, of a mean over 128 samples, and one
    /// hundredth of the latter, as it occurs after some layers.</summary>
    public static IReadOnlyList<double> Scales { get; } = [1, 1.0 / Batch, 0.01 / Batch];

    private sealed record RuleCase(Layer Layer, int N, Shape Input, FaultTarget Target, double Scale);

    /// <summary>Applies every rule to correct and faulty results.</summary>
    /// <param name="backends">The backends.</param>
    /// <param name="lengths">The numbers of terms, as in <see cref="Lengths"/>: multiples of 128.</param>
    /// <param name="trials">The number of sets of values. All faults are injected into each set. Faults at a random
    /// position are injected at this many positions.</param>
    /// <param name="seed">The seed of all values and positions.</param>
    /// <param name="progress">Called before each case.</param>
    /// <param name="cancellation">Cancels the comparison between two cases.</param>
    public static IReadOnlyList<RuleRow> Run(IReadOnlyList<IBackend> backends, IReadOnlyList<int> lengths, int trials,
        ulong seed, Action<string>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(backends);
        ArgumentNullException.ThrowIfNull(lengths);
        ArgumentOutOfRangeException.ThrowIfLessThan(trials, 1);
        var verdicts = new List<(string Rule, int Terms, double Scale, FaultTarget Target, FaultKind? Kind,
            string Backend, bool Alarm)>();
        foreach (int terms in lengths)
        {
            foreach (RuleCase of in Cases(terms))
            {
                progress?.Invoke(Invariant($"sums of {terms:N0} terms in {of.Layer.Kind}, {of.Target}, scale ")
                    + Invariant($"{of.Scale:G3}"));
                for (int trial = 0; trial < trials; trial++)
                {
                    cancellation.ThrowIfCancellationRequested();
                    var values = new RuleValues(of, seed + 2 * (ulong)trial);
                    foreach (IBackend backend in backends)
                    {
                        foreach ((string rule, FaultKind? kind, bool alarm) in values.Judge(backend, trials))
                            verdicts.Add(
                                (rule, terms, of.Scale, of.Target, kind, BackendVariant.NameOf(backend), alarm));
                    }
                }
            }
        }
        return [.. verdicts.GroupBy(v => (v.Rule, v.Terms, v.Scale, v.Target, v.Kind, v.Backend))
            .Select(of => new RuleRow(of.Key.Rule, of.Key.Terms, of.Key.Scale, of.Key.Target, of.Key.Kind,
                of.Key.Backend, of.Count(), of.Count(v => v.Alarm)))];
    }

    // One layer for each result, with few elements and long sums.
    private static RuleCase[] Cases(int terms)
    {
        int rows = (int)Math.Sqrt(terms / Batch);
        return
        [
            new(new Linear(Width), FewSamples, Shape.Vector(terms), FaultTarget.Output, 1),
            .. Scales.Select(scale
                => new RuleCase(new Linear(terms), FewSamples, Shape.Vector(Width), FaultTarget.InputGradient, scale)),
            .. Scales.Select(scale => new RuleCase(new Conv2d(Width, 3, padding: 1), Batch,
                new Shape(1, rows, terms / Batch / rows), FaultTarget.WeightGradient, scale)),
        ];
    }

    /// <summary>A layer with one set of values.</summary>
    private sealed class RuleValues
    {
        private readonly RuleCase _of;
        private readonly LayerProbe _probe;
        private readonly LayerValues<float> _values, _before;
        private readonly LayerTruth _truth;
        private readonly LayerCheck _exact;
        private readonly int[] _looks;

        public RuleValues(RuleCase of, ulong seed)
        {
            _of = of;
            _probe = new LayerProbe(of.Layer, [of.Input]);
            (_values, _before) = (Make(seed), Make(seed + 1));
            _truth = LayerReference.Evaluate(_values);
            _exact = new LayerCheck(of.Layer.Kind, of.Layer, [of.Input],
                new GradientCheckOptions { BatchSize = of.N, Seed = seed });
            var random = new Random((int)seed);
            _looks = [.. Enumerable.Range(0, Looks).Select(_ => random.Next(Tensor(_truth).Values.Length))];
        }

        /// <summary>Applies every rule to a backend's result: first unchanged, then with each fault.</summary>
        public IEnumerable<(string Rule, FaultKind? Kind, bool Alarm)> Judge(IBackend backend, int positions)
        {
            float[] right = Result(backend, out TruthTensor truth);
            var differences = new Dictionary<int, float>();
            foreach ((string rule, bool alarm) in Judged(backend, right, right, truth, differences))
                yield return (rule, null, alarm);
            if (IsAlarmOfExactMode(backend) is { } falseAlarm)
                yield return (Exact, null, falseAlarm);
            foreach (FaultKind kind in Enum.GetValues<FaultKind>())
            {
                for (int position = 0; position < positions; position++)
                {
                    var fault = new Fault(kind, _of.Target, position + 1);
                    if (position > 0 && !fault.IsAtRandom)
                        break;
                    using var faulty = new FaultyBackend(backend, fault);
                    float[] wrong = Result(faulty, out _);
                    if (faulty.Injected == 0)
                        continue;
                    foreach ((string rule, bool alarm) in Judged(backend, wrong, right, truth, differences))
                        yield return (rule, kind, alarm);
                    if (IsAlarmOfExactMode(faulty) is { } caught && faulty.Injected > 0)
                        yield return (Exact, kind, caught);
                }
            }
        }

        private IEnumerable<(string Rule, bool Alarm)> Judged(IBackend backend, float[] got, float[] right,
            TruthTensor truth, Dictionary<int, float> differences)
        {
            float[] expected = Array.ConvertAll(truth.Values, v => (float)v);
            foreach (ToleranceRule rule in ToleranceRule.Common)
                yield return (rule.Name, !rule.Accepts(got, expected));
            if (_of.Target != FaultTarget.Output)
                yield return (FiniteDifferences, DiffersFromFiniteDifferences(backend, got, right, differences));
            yield return (Real, Comparison.WithinBounds(got, truth).Verdict != Verdict.Pass);
        }

        private float[] Result(IBackend backend, out TruthTensor truth)
        {
            LayerResult got = _probe.Run(backend, _values, _before);
            truth = Tensor(_truth.Computed(got.Algorithms, _values));
            return _of.Target switch
            {
                FaultTarget.Output => got.Y,
                FaultTarget.InputGradient => got.DX[0],
                _ => got.DW[0]!,
            };
        }

        private TruthTensor Tensor(LayerTruth truth) => _of.Target switch
        {
            FaultTarget.Output => truth.Y,
            FaultTarget.InputGradient => truth.DX[0],
            _ => truth.DW[0]!,
        };

        // Null if exact mode does not cover the result.
        private bool? IsAlarmOfExactMode(IBackend backend) => _exact.Exact([backend], out _)
            .SingleOrDefault()?.Tensors.FirstOrDefault(t => t.Name == Tensor(_truth).Name) is { } tensor
            ? tensor.Verdict != Verdict.Pass
            : null;

        private bool DiffersFromFiniteDifferences(IBackend backend, float[] got, float[] right,
            Dictionary<int, float> differences)
        {
            int[] spoilt = [.. Enumerable.Range(0, got.Length).Where(i => got[i] != right[i])];
            int[] unknown = [.. _looks.Concat(spoilt.Length == 1 ? spoilt : []).Where(i => !differences.ContainsKey(i))
                .Distinct()];
            if (unknown.Length > 0)
            {
                using IExecutable executable =
                    backend.Compile(_probe.Graph, new TrainingSpec(_of.N, new MeanSquaredError(), new Sgd()));
                foreach (int i in unknown)
                    differences.Add(i, (Loss(executable, i, H) - Loss(executable, i, -H)) / (2 * H));
            }
            return _looks.Concat(spoilt.Length == 1 ? spoilt : []).Any(i
                => !(Math.Abs((double)got[i] - differences[i]) <= AllowedDifference
                    * Math.Max(Math.Abs((double)got[i]), Math.Abs((double)differences[i]))));
        }

        private float Loss(IExecutable executable, int index, float h)
        {
            float[] x = [.. _values.X[0]], w = [.. _values.W[0]], y = new float[_values.DY.Length];
            (_of.Target == FaultTarget.InputGradient ? x : w)[index] += h;
            executable.Write(_probe.Tested.Parameters[0], w);
            executable.Write(_probe.Tested.Parameters[1], _values.W[1]);
            executable.Forward(x);
            executable.ReadOutput(y);
            float loss = 0;
            for (int i = 0; i < y.Length; i++)
                loss += y[i] * _values.DY[i];
            return loss;
        }

        private LayerValues<float> Make(ulong seed)
        {
            var fill = new Fill(seed);
            IReadOnlyList<ParameterSpec> specs = _of.Layer.Parameters(_of.Input);
            return new LayerValues<float>(_of.Layer, [_of.Input], _of.N, [fill.Uniform(0, _of.N * _of.Input.Length, 1)],
                [.. specs.Select((spec, i) => fill.Parameter(i + 1, spec))],
                fill.Uniform(specs.Count + 1, _of.N * _of.Layer.Infer(_of.Input).Length, _of.Scale),
                    _probe.Tested.Index, 1, seed);
        }
    }
}
