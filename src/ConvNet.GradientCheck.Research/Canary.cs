namespace ConvNet.GradientChecking.Research;

/// <summary>A layer or a loss into which faults are injected.</summary>
/// <param name="Name">The name used in reports.</param>
/// <param name="N">The number of samples.</param>
/// <param name="Inputs">The shapes of its inputs.</param>
public sealed record CanaryCase(string Name, int N, params IReadOnlyList<Shape> Inputs)
{
    /// <summary>The layer; null if a loss is checked.</summary>
    public Layer? Layer { get; init; }

    /// <summary>Whether float32 rounds for all inputs, so that there is no exact mode.</summary>
    public bool Rounds { get; init; }

    /// <summary>The loss; null if a layer is checked.</summary>
    public Loss? Loss { get; init; }

    /// <summary>The results into which faults can be injected.</summary>
    public IEnumerable<FaultTarget> Targets
    {
        get
        {
            IReadOnlyList<ParameterSpec> parameters = Layer?.Parameters([.. Inputs]) ?? [];
            yield return Layer is null ? FaultTarget.Loss : FaultTarget.Output;
            yield return FaultTarget.InputGradient;
            if (parameters.Any(IsWeight))
                yield return FaultTarget.WeightGradient;
            if (parameters.Any(p => p.Role == ParameterRole.Bias))
                yield return FaultTarget.BiasGradient;
            if (parameters.Any(p => !p.Trainable))
                yield return FaultTarget.Buffer;
        }
    }

    /// <summary>Returns whether a report compares a target, based on the names of its tensors.</summary>
    internal bool IsCompared(LayerReport report, FaultTarget target)
    {
        IReadOnlyList<ParameterSpec> parameters = Layer?.Parameters([.. Inputs]) ?? [];
        Func<string, bool> names = target switch
        {
            FaultTarget.Output => name => name == "y",
            FaultTarget.Loss => name => name == "loss",
            FaultTarget.InputGradient => name => name == "doutput" || name.StartsWith("dx", StringComparison.Ordinal),
            FaultTarget.WeightGradient => parameters.Where(IsWeight).Select(LayerReference.GradientName).Contains,
            FaultTarget.BiasGradient => parameters.Where(p => p.Role == ParameterRole.Bias)
                .Select(LayerReference.GradientName).Contains,
            _ => parameters.Where(p => !p.Trainable).Select(p => p.Name).Contains,
        };
        return report.Tensors.Any(tensor => names(tensor.Name));
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static bool IsWeight(ParameterSpec spec) => spec.Trainable && spec.Role != ParameterRole.Bias;
}

/// <summary>Options for the injection of faults.</summary>
public sealed record CanaryOptions
{
    /// <summary>The number of times that each fault is injected into each result. Trials use different values. For a
    /// fault at a random position, several trials share their values and use different positions.</summary>
    public int Trials
    {
        get;
        init => field = value >= 1 ? value
            : throw new ArgumentOutOfRangeException(nameof(value), $"The number of trials is {value}; it must be at "
                + "least 1.");
    } = 20;

    /// <summary>The seed of all values and positions.</summary>
    public ulong Seed { get; init; } = 1;
}

/// <summary>How often one kind of fault in one result of one layer was detected.</summary>
/// <param name="Backend">The backend into which the fault was injected, such as <c>native/avx2</c>.</param>
/// <param name="Case">The layer or loss.</param>
/// <param name="Kind">The kind of the fault.</param>
/// <param name="Target">The result with the fault.</param>
/// <param name="Mode"><see cref="CheckModes.Exact"/> or <see cref="CheckModes.Real"/>.</param>
/// <param name="Injected">The number of trials in which the fault changed a value that is compared.</param>
/// <param name="Caught">The number of these trials reported as wrong.</param>
public sealed record CanaryRow(string Backend, string Case, FaultKind Kind, FaultTarget Target, CheckModes Mode,
    int Injected, int Caught);

/// <summary>A fault that was not detected.</summary>
/// <param name="Backend">The backend into which the fault was injected.</param>
/// <param name="Case">The layer or loss.</param>
/// <param name="Mode">The mode that did not detect it.</param>
/// <param name="Fault">The fault.</param>
/// <param name="ValuesSeed">The seed of the values.</param>
/// <param name="Index">The index of the fault in its tensor.</param>
public sealed record CanaryMiss(string Backend, string Case, CheckModes Mode, Fault Fault, ulong ValuesSeed, int Index);

/// <summary>The detection rates of the checks.</summary>
/// <param name="Rows">The detection rates.</param>
/// <param name="Missed">The faults that exact mode did not detect. Empty unless exact mode is broken.</param>
public sealed record CanaryReport(IReadOnlyList<CanaryRow> Rows, IReadOnlyList<CanaryMiss> Missed)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(CanaryReport), (nameof(Rows), Rows),
        (nameof(Missed), Missed));
}

/// <summary>Tests the gradient check itself: injects faults into the results of a real backend, which the check must
/// detect.</summary>
public static class Canary
{
    // The number of trials of a fault at a random position that share the same values.
    private const int PositionsPerValues = 5;

    // The number of examples used per kind of layer. The contract tests run all of them.
    private const int MostOfAKind = 3;

    /// <summary>Every kind of layer and every loss, with small and irregular shapes.</summary>
    public static IReadOnlyList<CanaryCase> Cases { get; } =
    [
        .. LayerSet.BuiltIn.Declarations.SelectMany(kind => kind.Examples.Take(MostOfAKind)).Select(Of),
        Of("softmax cross-entropy", new SoftmaxCrossEntropy()) with { Rounds = true },
        Of("softmax cross-entropy per pixel", new SoftmaxCrossEntropy(PerPixel: true)) with { Rounds = true },
        Of("svm", new MulticlassSvm()),
        Of("multi-margin", new MultiMarginLoss()),
        Of("squared multi-margin", new MultiMarginLoss(2)),
        Of("squared error", new MeanSquaredError()),
        Of("absolute error", new L1Loss()),
        Of("huber", new HuberLoss()),
        Of("smooth l1", new SmoothL1Loss()),
        Of("binary cross-entropy", new BinaryCrossEntropyWithLogits()) with { Rounds = true },
        Of("divergence", new KLDivergence()) with { Rounds = true },
    ];

    /// <summary>Layers with sums of several thousand terms in the output, the gradient of the input and the gradient of
    /// the weights. A single term of such a sum makes little difference.</summary>
    public static IReadOnlyList<CanaryCase> LongCases { get; } =
    [
        Of("linear, 4,096 inputs", new Linear(4), 4, Shape.Vector(4096)),
        Of("linear, 4,096 outputs", new Linear(4096), 4, Shape.Vector(4)),
        Of("conv 3×3, 256 channels", new Conv2d(16, 3, padding: 1), 1, new Shape(256, 6, 6)),
        Of("conv 3×3, 8,192 positions", new Conv2d(2, 3, padding: 1), 2, new Shape(1, 64, 64)),
    ];

    /// <summary>Injects every kind of fault into every result of the given layers on the given backends.</summary>
    /// <param name="backends">The backends.</param>
    /// <param name="cases">The layers and losses, such as <see cref="Cases"/> and <see cref="LongCases"/>.</param>
    /// <param name="options">The number of trials and the seed.</param>
    /// <param name="progress">Called before each layer and backend.</param>
    /// <param name="cancellation">Cancels the run between two layers or backends.</param>
    public static CanaryReport Run(IReadOnlyList<IBackend> backends, IReadOnlyList<CanaryCase> cases,
        CanaryOptions? options = null, Action<string>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(backends);
        ArgumentNullException.ThrowIfNull(cases);
        options ??= new CanaryOptions();
        var rows = new List<CanaryRow>();
        var missed = new List<CanaryMiss>();
        foreach (CanaryCase canary in cases)
        {
            Trial[] trials = [.. Enumerable.Range(0, (options.Trials + PositionsPerValues - 1) / PositionsPerValues)
                .Select(i => new Trial(canary, options.Seed + 2 * (ulong)i,
                    Math.Min(PositionsPerValues, options.Trials - i * PositionsPerValues)))];
            foreach (IBackend backend in backends)
            {
                cancellation.ThrowIfCancellationRequested();
                progress?.Invoke($"{canary.Name} on {BackendVariant.NameOf(backend)}");
                foreach (FaultTarget target in canary.Targets)
                {
                    foreach (FaultKind kind in Enum.GetValues<FaultKind>())
                        rows.AddRange(Row(backend, canary, trials, kind, target, missed));
                }
            }
        }
        return new CanaryReport(rows, missed);
    }

    private static IEnumerable<CanaryRow> Row(IBackend backend, CanaryCase canary, Trial[] trials, FaultKind kind,
        FaultTarget target, List<CanaryMiss> missed)
    {
        foreach (CheckModes mode in (CheckModes[])[CheckModes.Exact, CheckModes.Real])
        {
            int injected = 0, caught = 0;
            foreach (Trial trial in trials)
            {
                for (int position = 0; position < trial.Positions; position++)
                {
                    var fault = new Fault(kind, target, position + 1);
                    if (position > 0 && !fault.IsAtRandom)
                        break;
                    using var faulty = new FaultyBackend(backend, fault);
                    if (trial.Check(faulty, mode) is not { } report || !canary.IsCompared(report, target)
                        || faulty.Injected == 0)
                        continue;
                    injected++;
                    caught += report.Verdict == Verdict.Fail ? 1 : 0;
                    if (mode == CheckModes.Exact && report.Verdict != Verdict.Fail)
                        missed.Add(new CanaryMiss(BackendVariant.NameOf(backend), canary.Name, mode, fault, trial.Seed,
                            faulty.InjectedAt));
                }
            }
            if (injected > 0)
                yield return new CanaryRow(BackendVariant.NameOf(backend), canary.Name, kind, target, mode, injected,
                    caught);
        }
    }

    private static CanaryCase Of(LayerExample example) => new(example.Name, example.BatchSize, example.Inputs)
    {
        Layer = example.Layer,
        Rounds = example.Rounds,
    };

    private static CanaryCase Of(string name, Layer layer, int n, params Shape[] inputs)
        => new(name, n, inputs) { Layer = layer };

    private static CanaryCase Of(string name, Loss loss) => new(name, 4, Shape.Vector(8)) { Loss = loss };

    /// <summary>A layer with the values of one seed. The true values are computed once for all faults.</summary>
    private sealed class Trial
    {
        private readonly LayerCheck? _layer;
        private readonly LossCheck? _loss;

        public Trial(CanaryCase canary, ulong seed, int positions)
        {
            (Seed, Positions) = (seed, positions);
            var options = new GradientCheckOptions { BatchSize = canary.N, Seed = seed };
            _layer = canary.Layer is { } layer ? new LayerCheck(canary.Name, layer, canary.Inputs, options) : null;
            _loss = canary.Loss is { } loss ? new LossCheck(loss, canary.Inputs[0].C, options) : null;
        }

        public ulong Seed { get; }

        public int Positions { get; }

        /// <summary>Returns the report of a mode for a backend; null if the mode does not apply.</summary>
        public LayerReport? Check(IBackend backend, CheckModes mode) => mode == CheckModes.Exact
            ? (_layer?.Exact([backend], out _) ?? _loss!.Exact([backend])).SingleOrDefault()
            : (_layer?.Real([backend]) ?? _loss!.Real([backend])).Single();
    }
}
