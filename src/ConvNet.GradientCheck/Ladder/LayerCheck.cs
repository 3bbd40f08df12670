namespace ConvNet.GradientChecking;

/// <summary>Compares one layer with the reference, on the same values for every backend.</summary>
internal sealed class LayerCheck
{
    private const int MostRedraws = 16, Redraws = 8;

    // The distance of real values from the end of a domain, where results become infinite.
    private const float Nearest = 1f / 64;

    private readonly Layer _layer;
    private readonly Shape[] _shapes;
    private readonly string _name;
    private readonly GradientCheckOptions _options;
    private readonly LayerProbe _probe;
    private readonly Fill _fill, _other;
    private readonly IReadOnlyList<ParameterSpec> _specs;
    private readonly bool _forwardOnly, _training;
    private (LayerAlgorithms[] Algorithms, ExactValues Values)? _exact;
    private (LayerValues<float> Values, LayerTruth Truth)? _madeUp;
    private int? _unreached;

    /// <summary>Prepares the check.</summary>
    /// <param name="name">The name used in reports.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="shapes">The shapes of its inputs.</param>
    /// <param name="options">The options of the check.</param>
    /// <param name="forwardOnly">Whether the backends are for inference only, so that the layer runs as in
    /// inference.</param>
    public LayerCheck(string name, Layer layer, IReadOnlyList<Shape> shapes, GradientCheckOptions options,
        bool forwardOnly = false)
    {
        (_name, _layer, _shapes, _options, _forwardOnly) = (name, layer, [.. shapes], options, forwardOnly);
        _specs = layer.Parameters(_shapes);
        _probe = new LayerProbe(layer, shapes, [.. _specs.Where(IsFrozen).Select(spec => spec.Name)]);
        (_fill, _other) = (new Fill(options.Seed), new Fill(options.Seed + 1));
        _training = !forwardOnly
            && !options.FreezesLayer(_specs.Where(spec => spec.Trainable).Select(spec => spec.Name));
    }

    /// <summary>Exact mode: compares on integers with zero tolerance.</summary>
    /// <param name="backends">The backends.</param>
    /// <param name="gap">The results of the layer that cannot be exact, and why; null if all can.</param>
    public IReadOnlyList<LayerReport> Exact(IReadOnlyList<IBackend> backends, out ExactGap? gap)
    {
        LayerAlgorithms[] algorithms = [.. backends.Select(backend => _probe.AlgorithmsOn(backend, _options.BatchSize))
            .Distinct()];
        if (_exact is not { } known || !known.Algorithms.SequenceEqual(algorithms))
            _exact = known = (algorithms, WholeNumbers(algorithms));
        ExactValues exact = known.Values;
        gap = exact.Remainder is { } reason ? new ExactGap(_name, reason) : null;
        if (exact.Runs.Count == 0)
            return [];
        LayerValues<float> before = Integers(_other, _options.LargestInteger);
        return [.. backends.Select(backend => Exact(backend, exact.Runs, before))];
    }

    // After a ReLU, a few values may all be zero by chance. Other values are drawn in that case.
    private ExactValues WholeNumbers(LayerAlgorithms[] algorithms)
    {
        for (ulong redraw = 0; ; redraw++)
        {
            var fill = new Fill(_options.Seed + (redraw << 32));
            var exact = new ExactValues(_layer, algorithms, _options.LargestInteger,
                (range, weightGrain, gradientGrain, oneIn) =>
            {
                _options.Cancellation.ThrowIfCancellationRequested();
                return Integers(fill, range, weightGrain, gradientGrain, oneIn);
            });
            if (redraw == MostRedraws || !exact.Runs.Any(run => run.Results && MostlyZero(run.Truth.Y)))
                return exact;
        }
    }

    private LayerReport Exact(IBackend backend, IReadOnlyList<ExactRun> runs, LayerValues<float> before)
    {
        var tensors = new List<TensorReport>();
        string remark = "";
        foreach (ExactRun run in runs)
        {
            _options.Cancellation.ThrowIfCancellationRequested();
            string zeros = run.Results && MostlyZero(run.Truth.Y)
                ? "most of y is zero on these values, so the comparison proves little" : "";
            LayerReport report = Report(backend, CheckModes.Exact, _probe.Run(backend, run.Values, before), run.Truth,
                run.Values.W, zeros, run.Results, run.Gradients);
            tensors.AddRange(report.Tensors);
            remark += report.Remark;
        }
        return new LayerReport(BackendVariant.NameOf(backend), _name, _layer.Kind, CheckModes.Exact, tensors, remark);
    }

    /// <summary>Real-valued mode: compares each element within its error bound.</summary>
    /// <param name="backends">The backends.</param>
    /// <param name="x">The inputs; generated if null.</param>
    /// <param name="w">The parameters; generated if null.</param>
    public IReadOnlyList<LayerReport> Real(IReadOnlyList<IBackend> backends, float[][]? x = null, float[][]? w = null)
    {
        (LayerValues<float> values, LayerTruth truth) = x is null && w is null ? _madeUp ??= Evaluated(null, null)
            : Evaluated(x, w);
        // The first pass has one sample more, so that the checked batch is smaller than the compiled batch size.
        LayerValues<float> before = Reals(_other, _options.BatchSize + 1, null, null);
        var truths = new Dictionary<LayerAlgorithms, LayerTruth>();
        return [.. backends.Select(backend =>
        {
            _options.Cancellation.ThrowIfCancellationRequested();
            LayerResult got = _probe.Run(backend, values, before);
            if (!truths.TryGetValue(got.Algorithms, out LayerTruth? computed))
                truths[got.Algorithms] = computed = truth.Computed(got.Algorithms, values);
            return Decided(backend, Report(backend, CheckModes.Real, got, computed, values.W, ""));
        })];
    }

    // A right sum may exceed its probable bound, because its roundings had the same direction. Exact mode decides
    // whether the terms are right. Where a layer has none, other values do: bad luck does not repeat itself.
    private LayerReport Decided(IBackend backend, LayerReport report)
    {
        if (report.Tensors.All(tensor => tensor.Suspects == 0))
            return report;
        IReadOnlyList<TensorReport> exact = [.. Exact([backend], out _).SelectMany(layer => layer.Tensors)];
        bool IsRight(TensorReport tensor) => exact.FirstOrDefault(other => other.Name == tensor.Name) is { } known
            ? known is { Verdict: Verdict.Pass, Elements: > 0 }
            : Enumerable.Range(1, Redraws).Count(redraw => ExceedsOn(backend, (ulong)redraw, tensor.Name))
                <= Redraws / 4;
        return report with
        {
            Tensors = [.. report.Tensors.Select(tensor => tensor.Suspects == 0 || IsRight(tensor) ? tensor
                : tensor with { Failed = tensor.Failed + tensor.Suspects, Suspects = 0 })],
        };
    }

    // Whether the same tensor exceeds its bound on other values.
    private bool ExceedsOn(IBackend backend, ulong redraw, string tensor)
    {
        _options.Cancellation.ThrowIfCancellationRequested();
        LayerValues<float> values = Reals(new Fill(_options.Seed + (redraw << 32)), _options.BatchSize, null, null);
        LayerResult got = _probe.Run(backend, values, Reals(_other, _options.BatchSize + 1, null, null));
        LayerTruth truth = LayerReference.Evaluate(values, SampleOf(_options.BatchSize))
            .Computed(got.Algorithms, values);
        return Report(backend, CheckModes.Real, got, truth, values.W, "").Tensors
            .Any(other => other.Name == tensor && other.Failed + other.Suspects > 0);
    }

    private (LayerValues<float> Values, LayerTruth Truth) Evaluated(float[][]? x, float[][]? w)
    {
        _options.Cancellation.ThrowIfCancellationRequested();
        LayerValues<float> values = Reals(_fill, _options.BatchSize, x, w);
        return (values, LayerReference.Evaluate(values, SampleOf(_options.BatchSize)));
    }

    /// <summary>Compares the reference itself with derivatives by dual numbers.</summary>
    public LayerReport ForwardMode()
    {
        var duals = new LayerDuals(Reals(_fill, _options.BatchSize, null, null).To(v => (double)v), _options.Seed,
            SampleOf(_options.BatchSize), _options.Cancellation);
        IReadOnlyList<TensorReport> tensors = duals.Check(spec => spec.Trainable && !IsFrozen(spec));
        return new(LayerReport.Reference, _name, _layer.Kind, CheckModes.ForwardMode, tensors, duals.Remark);
    }

    private bool IsFrozen(ParameterSpec spec) => spec.Trainable && _options.Freezes(spec.Name);

    private Sample? SampleOf(int n) => Sample.Of(_layer, _shapes, n, _options.MostTerms);

    private LayerReport Report(IBackend backend, CheckModes mode, LayerResult got, LayerTruth truth, float[][] w,
        string remark, bool results = true, bool gradients = true)
    {
        var tensors = new List<TensorReport>();
        void Add(bool wanted, float[] values, TruthTensor? tensor)
        {
            if (wanted && tensor is not null)
                tensors.Add(mode == CheckModes.Exact ? Comparison.Exactly(values, tensor)
                    : Comparison.WithinBounds(values, tensor));
        }
        Add(results, got.Y, truth.Y);
        for (int i = 0; i < got.DX.Length; i++)
            Add(results, got.DX[i], truth.DX[i]);
        for (int i = 0; i < got.DW.Length; i++)
        {
            if (got.DW[i] is { } gradient)
                Add(gradients, gradient, truth.DW[i]);
        }
        // A step must leave a frozen parameter as it is, in every mode.
        for (int i = 0; i < got.Frozen.Length; i++)
        {
            if (got.Frozen[i] is { } frozen)
                tensors.Add(Comparison.Exactly(frozen, TruthTensor.Rounded(
                    $"{LayerReference.GradientName(_specs[i])[1..]} after a step", Doubles(w[i]))));
        }
        for (int i = 0; i < got.Buffers.Length; i++)
            Add(results, got.Buffers[i] ?? [], truth.Buffers[i]);
        if (remark.Length > 0)
            tensors[0] = tensors[0] with { Failed = tensors[0].Elements };
        bool overflows = got.Algorithms != default && tensors.Exists(tensor => !double.IsFinite(tensor.Got)
            && double.IsFinite(tensor.Truth));
        string[] remarks = [.. ((string[])[remark, overflows ? DeclaredAccuracy.OverflowAdvice : "",
            _forwardOnly ? ForwardPass.Remark : ""])
            .Where(text => text.Length > 0)];
        return BackendVariant.Completed(new LayerReport(BackendVariant.NameOf(backend), _name, _layer.Kind, mode,
            tensors, string.Join("; ", remarks)), backend);
    }

    private LayerValues<float> Integers(Fill fill, int range, int weightGrain = 1, int gradientGrain = 1, int oneIn = 1)
    {
        int stream = 0, n = _options.BatchSize;
        float[] Parameter(ParameterSpec spec) => spec.Role == ParameterRole.Weight
            ? fill.Integers(stream++, spec.Length, range, weightGrain, oneIn)
            : fill.Integers(stream++, spec.Length, range);
        return Values(n, 1,
            [.. _shapes.Select(s => Within(fill.Integers(stream++, n * s.Length, range), 1))],
            [.. _specs.Select(Parameter)],
            fill.Integers(stream, n * _layer.Infer(_shapes).Length, range, gradientGrain, oneIn));
    }

    private LayerValues<float> Reals(Fill fill, int n, float[][]? x, float[][]? w)
    {
        int stream = 0;
        return Values(n, 1,
            x ?? [.. _shapes.Select(s => Within(fill.Reals(stream++, n * s.Length, 1, _options.Values), Nearest))],
            w ?? [.. _specs.Select(s => fill.Parameter(stream++, s))],
            fill.Reals(_shapes.Length + _specs.Count, n * _layer.Infer(_shapes).Length, 1.0 / n,
                _options.Values == RealValues.Rectified ? RealValues.Normal : _options.Values));
    }

    // Values outside the domain of the layer are reflected into it, and keep a distance from its end.
    private float[] Within(float[] values, float distance)
    {
        double least = _layer.Domain.Least;
        return double.IsNegativeInfinity(least) ? values
            : Array.ConvertAll(values, value => (float)least + Math.Max(distance, Math.Abs(value - (float)least)));
    }

    // Pass 1, because these are the values of the second pass of the probe.
    private LayerValues<float> Values(int n, long pass, float[][] x, float[][] w, float[] dy)
        => new(_layer, _shapes, n, x, w, dy, _probe.Tested.Index, pass, _options.Seed) { Training = _training };

    private static double[] Doubles(float[] values) => Array.ConvertAll(values, v => (double)v);

    private bool MostlyZero(TruthTensor y)
    {
        bool IsMost(int zeros, int of) => zeros > of * 3L / 4;
        int zeros = ZerosOf(y.Values), elements = y.Values.Length;
        if (!IsMost(zeros, elements))
            return false;
        int unreached = _unreached ??= CountUnreached();
        return IsMost(zeros - unreached, elements - unreached);
    }

    // Counts the elements of y that are a sum without terms, such as those between the strides of a transposed
    // convolution without bias, or dropped at random. They are 0 for all values, and on ones, where no terms cancel,
    // they are the only zeros.
    private int CountUnreached()
    {
        if (!_layer.IsBilinear && _layer is not RandomDrop)
            return 0;
        int n = _options.BatchSize;
        double[] Ones(int length) => [.. Enumerable.Repeat(1.0, length)];
        return ZerosOf(new LayerRun<double>(new LayerValues<double>(_layer, _shapes, n,
            [.. _shapes.Select(shape => Ones(n * shape.Length))], [.. _specs.Select(spec => Ones(spec.Length))], [],
            _probe.Tested.Index, 1, _options.Seed), backward: false).Y);
    }

    private static int ZerosOf(double[] values) => values.Count(value => value == 0);
}
