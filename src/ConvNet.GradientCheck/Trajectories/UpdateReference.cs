namespace ConvNet.GradientChecking;

/// <summary>Follows the rule of an optimiser for one parameter in double precision, with the error bound of float32
/// for each value.</summary>
/// <remarks>
/// The rule itself is run, over <see cref="RunningError"/>. A value whose bound is lost, at a branch that the errors
/// leave open, is left out. A rule that declares an error of its own (<see cref="Optimizer.NormwiseError"/>) is run in
/// double precision instead. Of a large parameter of an elementwise rule, the first and the last values are followed
/// and a sample of those between.
/// </remarks>
internal sealed class UpdateReference
{
    private const int MostValues = 1 << 16, AtEnds = 1 << 9;

    private readonly Optimizer _optimizer;
    private readonly Parameter _parameter;

    // The indices of the followed values; null if all are followed.
    private readonly int[]? _sample;

    private readonly RunningError[] _w;
    private readonly RunningError[] _state;
    private readonly bool[] _lost;

    /// <summary>Starts at given values with a given state.</summary>
    /// <param name="optimizer">The optimiser.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="w">The values.</param>
    /// <param name="state">The values of each state component.</param>
    public UpdateReference(Optimizer optimizer, Parameter parameter, float[] w, float[][] state)
    {
        (_optimizer, _parameter) = (optimizer, parameter);
        _sample = optimizer.IsElementwise && parameter.Length > MostValues
            ? SampleOf(parameter.Length) : null;
        _w = Array.ConvertAll(Sampled(w), RunningError.Exact);
        _state = [.. state.SelectMany(values => Array.ConvertAll(Sampled(values), RunningError.Exact))];
        _lost = new bool[_w.Length];
    }

    /// <summary>The number of values that are not compared because their bound is lost.</summary>
    public int Lost => _lost.Count(lost => lost);

    /// <summary>Continues with other values, and with the state as it is.</summary>
    public void Write(float[] w) => Array.ConvertAll(Sampled(w), RunningError.Exact).CopyTo(_w, 0);

    /// <summary>Makes one step.</summary>
    /// <param name="context">The step.</param>
    /// <param name="gradient">The gradient.</param>
    public void Step(UpdateContext context, float[] gradient)
    {
        if (_optimizer.NormwiseError(context, _parameter) is { } relative)
        {
            StepInDouble(context, gradient, relative);
            return;
        }
        RunningError[] g = Array.ConvertAll(Sampled(gradient), RunningError.Exact);
        int count = _optimizer.StateNames.Count;
        RunningError[] w = [.. _w], state = [.. _state];
        try
        {
            _optimizer.Move<RunningError>(context, _parameter, g, _w, new StateSpans<RunningError>(_state, count));
        }
        catch (LostBoundException)
        {
            w.CopyTo(_w, 0);
            state.CopyTo(_state, 0);
            if (_optimizer.IsElementwise)
                StepOneByOne(context, g);
            else
                Array.Fill(_lost, true);
        }
        for (int i = 0; i < _w.Length; i++)
            _w[i] = Stored(_w[i], i);
        for (int i = 0; i < _state.Length; i++)
            _state[i] = Stored(_state[i], i % _w.Length);
    }

    /// <summary>Compares the values.</summary>
    /// <param name="got">The values of the backend.</param>
    public TensorReport Compare(float[] got) => Compare(_parameter.Name, got, _w);

    /// <summary>Compares one state component.</summary>
    /// <param name="index">The index of the component.</param>
    /// <param name="got">The values of the backend.</param>
    public TensorReport CompareState(int index, float[] got)
        => Compare(Serialization.TrainingState.NameOf(_parameter, _optimizer.StateNames[index]), got,
            _state.AsSpan(index * _w.Length, _w.Length).ToArray());

    // A divisor that may be 0 within its error has no bound either, as where a gradient and its decay cancel in Adam.
    private RunningError Stored(RunningError value, int index)
    {
        _lost[index] |= !double.IsFinite(value.Error);
        return value.Stored();
    }

    // The state is a running mean, which rounds three times and adds the error that it had.
    private void StepInDouble(UpdateContext context, float[] gradient, double relative)
    {
        const double Roundings = 4 * BoundedSum.UnitRoundoff;
        double[] g = Array.ConvertAll(gradient, v => (double)v), w = Array.ConvertAll(_w, v => v.Value);
        double[] state = Array.ConvertAll(_state, v => v.Value);
        _optimizer.Move<double>(context, _parameter, g, w, new StateSpans<double>(state,
            _optimizer.StateNames.Count));
        double largest = 0;
        for (int i = 0; i < w.Length; i++)
            largest = Math.Max(largest, Math.Abs(w[i] - _w[i].Value));
        for (int i = 0; i < w.Length; i++)
            _w[i] = RunningError.Within(w[i], _w[i].Error + relative * largest + Roundings * Math.Abs(w[i]));
        for (int i = 0; i < state.Length; i++)
        {
            double magnitude = Math.Abs(_state[i].Value) + Math.Abs(g[i % g.Length]);
            _state[i] = state[i] == 0 && _state[i].Value == 0 ? RunningError.Exact(0)
                : RunningError.Within(state[i], _state[i].Error + Roundings * magnitude);
        }
    }

    private void StepOneByOne(UpdateContext context, RunningError[] g)
    {
        int count = _optimizer.StateNames.Count, length = _w.Length;
        var state = new RunningError[count];
        for (int i = 0; i < length; i++)
        {
            for (int s = 0; s < count; s++)
                state[s] = _state[s * length + i];
            try
            {
                _optimizer.Move<RunningError>(context, _parameter, g.AsSpan(i, 1), _w.AsSpan(i, 1),
                    new StateSpans<RunningError>(state, count));
            }
            catch (LostBoundException)
            {
                _lost[i] = true;
            }
            for (int s = 0; s < count; s++)
                _state[s * length + i] = state[s];
        }
    }

    private TensorReport Compare(string name, float[] got, RunningError[] truth)
    {
        var tensor = new TruthTensor(name, [.. truth.Select((v, i) => _lost[i] ? double.NaN : v.Value)])
        {
            Bounds = Array.ConvertAll(truth, v => v.Error),
            IsSample = true,
        };
        TensorReport report = Comparison.WithinBounds(Sampled(got), tensor);
        return report with
        {
            Index = _sample is null ? report.Index : _sample[report.Index],
            Length = got.Length,
            Flips = Lost,
        };
    }

    private float[] Sampled(float[] values)
        => _sample is null ? values : Array.ConvertAll(_sample, index => values[index]);

    private static int[] SampleOf(int length)
    {
        int between = length - 2 * AtEnds, count = MostValues - 2 * AtEnds;
        return
        [
            .. Enumerable.Range(0, AtEnds),
            .. Enumerable.Range(0, count).Select(i => AtEnds + (int)((long)i * between / count)),
            .. Enumerable.Range(length - AtEnds, AtEnds),
        ];
    }
}
