namespace ConvNet.GradientChecking;

/// <summary>Compares a layer's double reference with derivatives that its forward pass computes in dual numbers.
/// </summary>
/// <remarks>
/// For an input or parameter with gradient g, and for a direction v of it, Σ dy·(J·v) must equal Σ g·v; J·v are the
/// derivatives of the output that one forward pass on dual numbers yields. The backward pass takes no part in it. An
/// output exactly on a kink, as <see cref="Layer.Kinks"/> reports it, has no derivative; its dy is set to 0 on both
/// sides.
/// </remarks>
internal sealed class LayerDuals
{
    private readonly LayerValues<double> _values;
    private readonly LayerRun<double> _reference;
    private readonly LayerValues<Dual> _duals;
    private readonly Func<int, int[]>? _sample;
    private readonly ulong _seed;
    private readonly CancellationToken _cancellation;
    private readonly int _kinks, _unplaced;
    private readonly List<string> _lost = [];

    /// <summary>Runs the reference.</summary>
    /// <param name="given">The values to run the layer on.</param>
    /// <param name="seed">The seed of the directions.</param>
    /// <param name="sample">Selects a sample of the output to compute; null computes all of it.</param>
    /// <param name="cancellation">Cancels the check between two runs of the layer.</param>
    public LayerDuals(LayerValues<double> given, ulong seed, Sample? sample = null,
        CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        (_seed, _cancellation, _sample) = (seed, cancellation, sample is null ? null : sample.Indices);
        double[] dy = sample is null ? [.. given.DY] : Sampled(given);
        (_kinks, _unplaced) = LeaveOutKinks(given, dy);
        _values = given with { DY = dy };
        _reference = new LayerRun<double>(_values);
        _duals = _values.To(value => new Dual(value));
    }

    /// <summary>What the reader has to know of the comparison: how many outputs are left out because they are exactly
    /// on a kink, and whether the forward pass loses derivatives. Empty if there is nothing.</summary>
    public string Remark => string.Join("; ", ((string[])
    [
        _kinks > 0 ? $"{_kinks:N0} of {_values.DY.Length:N0} outputs exactly on a kink are left out" : "",
        _unplaced > 0 ? $"the layer reports {_unplaced:N0} values exactly on a kink, but not at which outputs, so none "
            + "is left out" : "",
        _lost.Count > 0 ? $"no derivative reaches the output from {string.Join(", ", _lost)}: if Forward converts its "
            + "values to another type, such as double, it loses their derivatives and must compute in T instead" : "",
    ]).Where(text => text.Length > 0));

    /// <summary>Checks the gradient of every input, and of every parameter that has one.</summary>
    /// <param name="trains">Whether a parameter has a gradient.</param>
    public IReadOnlyList<TensorReport> Check(Func<ParameterSpec, bool> trains)
    {
        var reports = new List<TensorReport>();
        for (int i = 0; i < _values.X.Length; i++)
            reports.Add(Check(LayerReference.InputGradientName(_values, i), _reference.DX[i], _values.X[i], _duals.X,
                i));
        for (int i = 0; i < _values.W.Length; i++)
        {
            if (trains(_values.Specs[i]))
                reports.Add(Check(LayerReference.GradientName(_values.Specs[i]), _reference.DW[i], _values.W[i],
                    _duals.W, i));
        }
        return reports;
    }

    private TensorReport Check(string name, double[] gradient, double[] values, Dual[][] tensors, int index)
    {
        bool moves = false;
        Slope Along(double[][] direction)
        {
            Dual[] constant = tensors[index];
            tensors[index] = [.. values.Zip(direction[0], (value, v) => new Dual(value, v))];
            Slope slope = OfOutput();
            tensors[index] = constant;
            moves |= slope.Magnitude != 0;
            return slope;
        }
        TensorReport report = new DirectionalCheck([new NamedGradient(name, gradient)], _seed, Along, _cancellation)
            .Run(name) with
        { Flips = _kinks };
        if (report.Verdict == Verdict.Fail && !moves)
            _lost.Add(name[1..]);
        return report;
    }

    private Slope OfOutput()
    {
        Dual[] y = new LayerRun<Dual>(_duals, backward: false, _sample).Y;
        double slope = 0, magnitude = 0;
        for (int i = 0; i < y.Length; i++)
        {
            double term = _values.DY[i] == 0 ? 0 : _values.DY[i] * y[i].Derivative;
            slope += term;
            magnitude += Math.Abs(term);
        }
        return new Slope(slope, magnitude);
    }

    // The gradient of the output where the sample is computed, and 0 elsewhere. The layer is run on ones to find out:
    // outputs that are not computed stay 0.
    private double[] Sampled(LayerValues<double> values)
    {
        double[] y = new LayerRun<double>(values.To(_ => 1.0), backward: false, _sample).Y;
        return [.. values.DY.Select((dy, i) => y[i] == 0 ? 0 : dy)];
    }

    // Kinks belong to outputs if there is one for each of them.
    private static (int LeftOut, int Unplaced) LeaveOutKinks(LayerValues<double> values, double[] dy)
    {
        Kink[] kinks = [.. values.Layer.Kinks(values.X, values.XShapes)];
        int[] on = [.. Enumerable.Range(0, kinks.Length).Where(i => kinks[i].Margin == 0)];
        if (kinks.Length != dy.Length)
            return (0, on.Length);
        foreach (int i in on)
            dy[i] = 0;
        return (on.Length, 0);
    }
}
