namespace ConvNet.GradientChecking.Research;

/// <summary>A layer or a loss into which faults are put.</summary>
/// <param name="Name">Its name in reports.</param>
/// <param name="N">Samples.</param>
/// <param name="Inputs">Shapes of its inputs.</param>
public sealed record CanaryCase(string Name, int N, params IReadOnlyList<Shape> Inputs)
{
    /// <summary>The layer; null where a loss is checked.</summary>
    public Layer? Layer { get; init; }

    /// <summary>Whether float32 rounds on every input, so that there is no exact mode.</summary>
    public bool Rounds { get; init; }

    /// <summary>The loss; null where a layer is checked.</summary>
    public Loss? Loss { get; init; }

    /// <summary>What of it can be wrong.</summary>
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

    /// <summary>Whether a report compares a target, by the names of its tensors.</summary>
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

/// <summary>How faults are put in.</summary>
public sealed record CanaryOptions
{
    /// <summary>Times that each fault is put into each result: some for other values, and for a fault at a random place
    /// some at other places.</summary>
    public int Trials
    {
        get;
        init => field = value >= 1 ? value
            : throw new ArgumentOutOfRangeException(nameof(value), $"{value} trials show nothing; 1 is the least.");
    } = 20;

    /// <summary>The seed of all values and places.</summary>
    public ulong Seed { get; init; } = 1;
}

/// <summary>How often one kind of fault in one result of one layer was found.</summary>
/// <param name="Backend">The backend that it was put into, as <c>native/avx2</c>.</param>
/// <param name="Case">The layer.</param>
/// <param name="Kind">What was wrong.</param>
/// <param name="Target">Where.</param>
/// <param name="Mode"><see cref="CheckModes.Exact"/> or <see cref="CheckModes.Real"/>.</param>
/// <param name="Injected">Trials in which it changed a value that is compared.</param>
/// <param name="Caught">Those that were called wrong.</param>
/// <param name="Suspected">Those that were called suspect.</param>
public sealed record CanaryRow(string Backend, string Case, FaultKind Kind, FaultTarget Target, CheckModes Mode,
    int Injected, int Caught, int Suspected);

/// <summary>A fault that went by.</summary>
/// <param name="Backend">The backend that it was put into.</param>
/// <param name="Case">The layer.</param>
/// <param name="Mode">The mode that let it through.</param>
/// <param name="Fault">The fault.</param>
/// <param name="ValuesSeed">The seed of the values.</param>
/// <param name="Index">Where it stood in its tensor.</param>
public sealed record CanaryMiss(string Backend, string Case, CheckModes Mode, Fault Fault, ulong ValuesSeed, int Index);

/// <summary>How sharp the checks are.</summary>
/// <param name="Rows">Rates.</param>
/// <param name="Missed">What exact mode let through: nothing, unless it is broken.</param>
public sealed record CanaryReport(IReadOnlyList<CanaryRow> Rows, IReadOnlyList<CanaryMiss> Missed)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(CanaryReport), (nameof(Rows), Rows),
        (nameof(Missed), Missed));
}

/// <summary>The check of the checks: faults are put into the results of a real backend, and the gradient check must
/// find them.</summary>
public static class Canary
{
    // Of the trials of a fault at a random place, so many share their values.
    private const int PlacesPerValues = 5;

    // Of the examples of a layer; the contract runs all of them.
    private const int MostOfAKind = 3;

    /// <summary>Every kind of layer and every loss, small and ragged.</summary>
    public static IReadOnlyList<CanaryCase> Cases { get; } =
    [
        .. LayerSet.BuiltIn.Declarations.SelectMany(kind => kind.Examples.Take(MostOfAKind)).Select(Of),
        Of("softmax", new SoftmaxCrossEntropy()) with { Rounds = true },
        Of("softmax per pixel", new SoftmaxCrossEntropy(PerPixel: true)) with { Rounds = true },
        Of("svm", new MulticlassSvm()),
        Of("squared error", new MeanSquaredError()),
    ];

    /// <summary>Layers with sums of some thousand terms, in the output, in the gradient of the input, and in that of
    /// the weights: of those one makes little difference.</summary>
    public static IReadOnlyList<CanaryCase> LongCases { get; } =
    [
        Of("linear, 4,096 inputs", new Linear(4), 4, Shape.Vector(4096)),
        Of("linear, 4,096 outputs", new Linear(4096), 4, Shape.Vector(4)),
        Of("conv 3×3, 256 channels", new Conv2d(16, 3, padding: 1), 1, new Shape(256, 6, 6)),
        Of("conv 3×3, 8,192 positions", new Conv2d(2, 3, padding: 1), 2, new Shape(1, 64, 64)),
    ];

    /// <summary>Puts every kind of fault into every result of some layers on some backends.</summary>
    /// <param name="backends">The backends.</param>
    /// <param name="cases">The layers, as <see cref="Cases"/> and <see cref="LongCases"/>.</param>
    /// <param name="options">How often.</param>
    /// <param name="progress">Told of every layer and backend before it begins.</param>
    /// <param name="cancellation">Ends it between two of them.</param>
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
            Trial[] trials = [.. Enumerable.Range(0, (options.Trials + PlacesPerValues - 1) / PlacesPerValues)
                .Select(i => new Trial(canary, options.Seed + 2 * (ulong)i,
                    Math.Min(PlacesPerValues, options.Trials - i * PlacesPerValues)))];
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
            int injected = 0, caught = 0, suspected = 0;
            foreach (Trial trial in trials)
            {
                for (int place = 0; place < trial.Places; place++)
                {
                    var fault = new Fault(kind, target, place + 1);
                    if (place > 0 && !fault.IsAtRandom)
                        break;
                    using var faulty = new FaultyBackend(backend, fault);
                    if (trial.Check(faulty, mode) is not { } report || !canary.IsCompared(report, target)
                        || faulty.Injected == 0)
                        continue;
                    injected++;
                    caught += report.Verdict == Verdict.Fail ? 1 : 0;
                    suspected += report.Verdict == Verdict.Suspect ? 1 : 0;
                    if (mode == CheckModes.Exact && report.Verdict != Verdict.Fail)
                        missed.Add(new CanaryMiss(BackendVariant.NameOf(backend), canary.Name, mode, fault, trial.Seed,
                            faulty.InjectedAt));
                }
            }
            if (injected > 0)
                yield return new CanaryRow(BackendVariant.NameOf(backend), canary.Name, kind, target, mode, injected,
                    caught, suspected);
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

    /// <summary>A layer with values of one seed: the truth is computed once for all faults.</summary>
    private sealed class Trial
    {
        private readonly LayerCheck? _layer;
        private readonly LossCheck? _loss;

        public Trial(CanaryCase canary, ulong seed, int places)
        {
            (Seed, Places) = (seed, places);
            var options = new GradientCheckOptions { BatchSize = canary.N, Seed = seed };
            _layer = canary.Layer is { } layer ? new LayerCheck(canary.Name, layer, canary.Inputs, options) : null;
            _loss = canary.Loss is { } loss ? new LossCheck(loss, canary.Inputs[0].C, options) : null;
        }

        public ulong Seed { get; }

        public int Places { get; }

        /// <summary>What a mode says of a backend; null where it does not apply.</summary>
        public LayerReport? Check(IBackend backend, CheckModes mode) => mode == CheckModes.Exact
            ? (_layer?.Exact([backend], out _) ?? _loss!.Exact([backend])).SingleOrDefault()
            : (_layer?.Real([backend]) ?? _loss!.Real([backend])).Single();
    }
}
