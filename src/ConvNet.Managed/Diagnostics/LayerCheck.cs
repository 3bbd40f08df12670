namespace ConvNet.Diagnostics;

/// <summary>One layer on the same values on every backend, against the reference.</summary>
internal sealed class LayerCheck
{
    private const int LargestRange = 16;

    private readonly Layer _layer;
    private readonly Shape[] _shapes;
    private readonly string _name;
    private readonly GradientCheckOptions _options;
    private readonly LayerProbe _probe;
    private readonly Fill _fill, _other;
    private readonly IReadOnlyList<ParameterSpec> _specs;

    /// <summary>Prepares the check.</summary>
    /// <param name="name">The name to report.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="shapes">Shapes of its inputs.</param>
    /// <param name="options">How to check.</param>
    public LayerCheck(string name, Layer layer, IReadOnlyList<Shape> shapes, GradientCheckOptions options)
    {
        (_name, _layer, _shapes, _options) = (name, layer, [.. shapes], options);
        _probe = new LayerProbe(layer, shapes);
        (_fill, _other) = (new Fill(options.Seed), new Fill(options.Seed + 1));
        _specs = layer.Parameters(_shapes);
    }

    /// <summary>Exact mode: whole numbers, tolerance zero.</summary>
    /// <param name="backends">The backends.</param>
    /// <param name="cut">Why the layer cannot be exact; null where it is.</param>
    public IReadOnlyList<LayerReport> Exact(IReadOnlyList<IBackend> backends, out ExactCut? cut)
    {
        cut = null;
        LayerTruth? truth = null;
        LayerValues<float>? values = null;
        for (int range = LargestRange; range >= 1 && truth is not { IsExact: true }; range /= 2)
        {
            values = Integers(_fill, range);
            truth = LayerReference.Evaluate(values);
        }
        if (!truth!.IsExact)
        {
            cut = new ExactCut(_name, $"{_layer.Kind} rounds in float32 on whole numbers up to 1 in magnitude");
            return [];
        }
        LayerValues<float> before = Integers(_other, LargestRange);
        string remark = MostlyZero(truth.Y.Values) ? "most of y is zero on these values, which proves nothing" : "";
        return [.. backends.Select(backend => Report(backend, CheckModes.Exact, _probe.Run(backend, values!, before), truth, remark))];
    }

    /// <summary>Real-valued mode: the error bound of every element.</summary>
    /// <param name="backends">The backends.</param>
    /// <param name="x">The inputs; made up unless given.</param>
    /// <param name="w">The parameters; made up unless given.</param>
    public IReadOnlyList<LayerReport> Real(IReadOnlyList<IBackend> backends, float[][]? x = null, float[][]? w = null)
    {
        LayerValues<float> values = Reals(_fill, _options.BatchSize, x, w);
        LayerTruth truth = LayerReference.Evaluate(values);
        // One sample more: the batch that is checked is a smaller last one.
        LayerValues<float> before = Reals(_other, _options.BatchSize + 1, null, null);
        return [.. backends.Select(backend => Report(backend, CheckModes.Real, _probe.Run(backend, values, before), truth, ""))];
    }

    /// <summary>The reference itself, against finite differences.</summary>
    public LayerReport FiniteDifferences()
        => new("reference", _name, _layer.Kind, CheckModes.FiniteDifferences,
            ConvNet.Diagnostics.FiniteDifferences.Check(Reals(_fill, _options.BatchSize, null, null).To(v => (double)v), _options.Seed));

    private LayerReport Report(IBackend backend, CheckModes mode, LayerResult got, LayerTruth truth, string remark)
    {
        var tensors = new List<TensorReport>();
        void Add(float[] values, TruthTensor? tensor)
        {
            if (tensor is not null)
                tensors.Add(mode == CheckModes.Exact ? Comparison.Exactly(values, tensor) : Comparison.WithinBounds(values, tensor));
        }
        Add(got.Y, truth.Y);
        for (int i = 0; i < got.DX.Length; i++)
            Add(got.DX[i], truth.DX[i]);
        for (int i = 0; i < got.DW.Length; i++)
            Add(got.DW[i] ?? [], truth.DW[i]);
        for (int i = 0; i < got.Buffers.Length; i++)
            Add(got.Buffers[i] ?? [], truth.Buffers[i]);
        if (remark.Length > 0)
            tensors[0] = tensors[0] with { Failed = tensors[0].Elements };
        return new LayerReport(GradientCheck.NameOf(backend), _name, _layer.Kind, mode, tensors, remark);
    }

    private LayerValues<float> Integers(Fill fill, int range)
    {
        int stream = 0, n = _options.BatchSize;
        return Values(n, 1,
            [.. _shapes.Select(s => fill.Integers(stream++, n * s.Length, range))],
            [.. _specs.Select(s => fill.Integers(stream++, s.Length, range))],
            fill.Integers(stream, n * _layer.Infer(_shapes).Length, range));
    }

    private LayerValues<float> Reals(Fill fill, int n, float[][]? x, float[][]? w)
    {
        int stream = 0;
        return Values(n, 1,
            x ?? [.. _shapes.Select(s => fill.Uniform(stream++, n * s.Length, 1))],
            w ?? [.. _specs.Select(s => fill.Parameter(stream++, s))],
            fill.Uniform(_shapes.Length + _specs.Count, n * _layer.Infer(_shapes).Length, 1.0 / n));
    }

    // Step 1: the values are those of the second pass of the probe.
    private LayerValues<float> Values(int n, long step, float[][] x, float[][] w, float[] dy)
        => new(_layer, _shapes, n, x, w, dy, _probe.Tested.Index, step, _options.Seed);

    private static bool MostlyZero(double[] values) => values.Count(v => v == 0) > values.Length * 3L / 4;
}
