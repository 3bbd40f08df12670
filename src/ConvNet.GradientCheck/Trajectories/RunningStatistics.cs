namespace ConvNet.GradientChecking;

/// <summary>Checks the running statistics of batch normalisation over several steps, and what it normalises
/// with.</summary>
/// <remarks>
/// The formulas are written a second time here, over <see cref="RunningError"/>, which bounds every element: per
/// channel with M values, μ = Σx/M, σ² = Σ(x − μ)²/M, y = γ(x − μ)/√(σ² + ε) + β, and the running statistics move by
/// r ← (1 − m)r + m·μ and r ← (1 − m)r + m·Σ(x − μ)²/(M − 1), the variance only if M is above 1. The statistics before
/// each step are read from the backend. If they are averages of all batches, m = 1/k for the k-th. The inputs are
/// integers and most M are powers of two, so that means are exact; the deviation is about 3, so that a deviation, its
/// square and its inverse are all different. The last batch is smaller, and a second layer has a single value for each
/// channel.
/// </remarks>
/// <param name="name">The name of the layer in the reports.</param>
/// <param name="layer">The layer.</param>
/// <param name="options">The batch size and the seed.</param>
internal sealed class RunningStatistics(string name, BatchNorm2d layer, GradientCheckOptions options)
{
    private const int Channels = 5, Steps = 4;

    /// <summary>Checks a layer on every backend. Returns no reports if it keeps no running statistics.</summary>
    /// <param name="name">The name of the layer in reports.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="options">The batch size, the seed and the cancellation.</param>
    /// <param name="backends">The backends.</param>
    public static IEnumerable<LayerReport> Check(string name, Layer layer, GradientCheckOptions options,
        IReadOnlyList<IBackend> backends) => layer is BatchNorm2d norm
            ? new RunningStatistics(name, norm, options).Check(backends) : [];

    /// <summary>Checks the layer on every backend.</summary>
    public IEnumerable<LayerReport> Check(IReadOnlyList<IBackend> backends)
    {
        int batch = Math.Max(2, options.BatchSize);
        foreach (IBackend backend in backends)
        {
            TensorReport[] tensors =
            [
                .. Check(backend, new Shape(Channels, 4, 2), batch, [batch, batch, batch - 1, 1]),
                .. Check(backend, new Shape(Channels, 1, 1), batch, [batch, 1, batch, 1]),
            ];
            yield return BackendVariant.Completed(new LayerReport(BackendVariant.NameOf(backend), $"{name} statistics",
                layer.Kind, CheckModes.Trajectories, tensors), backend);
        }
    }

    private IEnumerable<TensorReport> Check(IBackend backend, Shape shape, int batch, int[] samples)
    {
        Graph graph = Sequential.Of(shape, layer);
        var spec = new TrainingSpec(batch, new MeanSquaredError(), new Sgd()) { KeepGradients = false };
        using IExecutable executable = backend.Compile(graph, spec);
        var fill = new Fill(options.Seed);
        foreach (Parameter p in executable.Graph.Parameters)
            executable.Write(p, Array.ConvertAll(fill.Integers(p.Index, p.Length, 3), v => p.Role switch
            {
                ParameterRole.RunningVariance or ParameterRole.Scale => Math.Abs(v) + 1,
                ParameterRole.BatchCount => Math.Abs(v),
                _ => v,
            }));
        for (int step = 0; step < Steps; step++)
        {
            options.Cancellation.ThrowIfCancellationRequested();
            int n = samples[step];
            float[] x = Array.ConvertAll(fill.Integers(10 + step, n * shape.Length, 5), v => v + step);
            Func<ParameterRole, float[]?> before = Read(executable);
            var y = new float[x.Length];
            // Every other step is a whole one. A rate of 0 leaves the scale and the shift.
            if (step % 2 == 0)
            {
                executable.TrainStep(x, new float[x.Length], 0, y);
            }
            else
            {
                executable.Forward(x);
                executable.ReadOutput(y);
            }
            Func<ParameterRole, float[]?> after = Read(executable);
            (RunningError[] Mean, RunningError[] Variance, RunningError[] Y) truth = Truth(x, n, shape, before);
            string at = FormattableString.Invariant($"of step {step + 1}, {n} × {shape.Area} values");
            yield return Compare($"running_mean {at}", after(ParameterRole.RunningMean)!, truth.Mean);
            yield return Compare($"running_var {at}", after(ParameterRole.RunningVariance)!, truth.Variance);
            yield return Compare($"y {at}", y, truth.Y);
            if (after(ParameterRole.BatchCount) is [var batches])
                yield return Compare($"num_batches_tracked {at}", [batches],
                    [RunningError.Exact(before(ParameterRole.BatchCount)![0] + 1)]);
        }
    }

    private (RunningError[] Mean, RunningError[] Variance, RunningError[] Y) Truth(float[] x, int n, Shape shape,
        Func<ParameterRole, float[]?> before)
    {
        RunningError[] mean = Array.ConvertAll(before(ParameterRole.RunningMean)!, RunningError.Exact);
        RunningError[] variance = Array.ConvertAll(before(ParameterRole.RunningVariance)!, RunningError.Exact);
        float[]? scale = before(ParameterRole.Scale), bias = before(ParameterRole.Bias);
        var y = new RunningError[x.Length];
        RunningError momentum = layer.Momentum is { } weight ? RunningError.Of(weight)
            : RunningError.One / RunningError.Exact(before(ParameterRole.BatchCount)![0] + 1);
        RunningError rest = RunningError.One - momentum;
        for (int c = 0; c < shape.C; c++)
        {
            int[] places = [.. Enumerable.Range(0, n).SelectMany(sample
                => Enumerable.Range((sample * shape.C + c) * shape.Area, shape.Area))];
            RunningError count = RunningError.Exact(places.Length), sum = default, squares = default;
            foreach (int i in places)
                sum += RunningError.Exact(x[i]);
            RunningError mu = sum / count;
            foreach (int i in places)
                squares += (RunningError.Exact(x[i]) - mu) * (RunningError.Exact(x[i]) - mu);
            RunningError deviation = RunningError.Sqrt(squares / count + RunningError.Of(layer.Epsilon));
            // A backend may multiply by the scale before it subtracts the mean, which rounds more.
            RunningError factor = RunningError.Exact(scale?[c] ?? 1) / deviation,
                shift = RunningError.Exact(bias?[c] ?? 0) - mu * factor;
            foreach (int i in places)
                y[i] = RunningError.Exact(x[i]) * factor + shift;
            mean[c] = rest * mean[c] + momentum * mu;
            if (places.Length > 1)
                variance[c] = rest * variance[c] + momentum * (squares / (count - RunningError.One));
        }
        return (mean, variance, y);
    }

    // Returns the values of the parameter or buffer of a role; null for a role that the layer does not have.
    private static Func<ParameterRole, float[]?> Read(IExecutable executable)
    {
        Dictionary<ParameterRole, float[]> values
            = executable.Graph.Parameters.ToDictionary(p => p.Role, p => executable.Read(p));
        return role => values.GetValueOrDefault(role);
    }

    private static TensorReport Compare(string name, float[] got, RunningError[] truth)
        => Comparison.WithinBounds(got, new TruthTensor(name, Array.ConvertAll(truth, v => v.Value))
        {
            Bounds = Array.ConvertAll(truth, v => v.Error),
        });
}
