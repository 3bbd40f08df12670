namespace ConvNet.GradientChecking;

/// <summary>Cross-validates gradients: checks that backends agree and that their results are correct.</summary>
/// <remarks>
/// Each layer is run by itself on each backend and on the double reference, with the same float32 values. On integers,
/// float32 does not round and the results must be equal bit for bit. On real numbers, each element must lie within the
/// error bound that follows from its own terms. Segments of several layers and the whole network are then compared, and
/// the reference is compared with derivatives by dual numbers. All backends and layers are supported, including custom
/// ones. A backend that is <see cref="BackendInfo.InferenceOnly"/> is compared in its forward passes, and
/// <see cref="GradientReport.ForwardOnly"/> says so.
/// </remarks>
public static class GradientCheck
{
    /// <summary>Checks every layer of a graph, and the graph as a whole.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="backends">The backends.</param>
    /// <param name="options">The options of the check.</param>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> or <paramref name="backends"/> is
    /// null.</exception>
    /// <exception cref="NotSupportedException">A backend does not support a layer of the graph; the message names
    /// it.</exception>
    /// <exception cref="ArgumentException">The graph is not complete, a pattern of
    /// <see cref="GradientCheckOptions.Frozen"/> matches no trainable parameter, or the values of a layer do not match
    /// its shapes.</exception>
    /// <exception cref="InvalidOperationException">A layer declares <see cref="Accuracy.Sums"/> without deriving from
    /// <see cref="SumLayer"/>.</exception>
    public static GradientReport Run(Graph graph, IReadOnlyList<IBackend> backends,
        GradientCheckOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(backends);
        options ??= new GradientCheckOptions();
        ParameterGroup.TrainableIn(graph, options.Frozen);
        if (ForwardCheck.Of(backends) is { } forward)
            return forward.Run(graph, options);
        var reports = new List<LayerReport>();
        var gaps = new List<ExactGap>();
        foreach ((Node node, float[][] x, float[][] w) in Activations.Of(graph, options))
            CheckLayer(new LayerCheck(node.Name, node.Layer!, node.InputShapes, options.For(node)), options.Modes,
                backends, reports, gaps, x, w);
        if (options.Modes.HasFlag(CheckModes.Segments))
            ExactSegments.Check(graph, backends, options, reports, gaps);
        var steps = new List<PlanStep>();
        if ((options.Modes & (CheckModes.PlanReal | CheckModes.PlanExact)) != 0)
        {
            TrainingSpec spec = TrainingOf(graph, options) ?? SpecFor(graph, options);
            new PlanCheck(graph, spec, options).Check(backends, reports, steps);
            reports.AddRange(LossesOf(graph, spec, backends, options));
        }
        if (options.Modes.HasFlag(CheckModes.EndToEnd))
            reports.AddRange(new EndToEnd(graph, SpecFor(graph, options), steps: 0, learningRate: 0)
                .Check(backends, options.Cancellation));
        if (options.Modes.HasFlag(CheckModes.Trajectories))
            reports.AddRange(TrajectoriesOf(graph, backends, options));
        if (options.Modes.HasFlag(CheckModes.ForwardMode))
            reports.Add(new EndToEnd(graph, SpecFor(graph, options), steps: 0, learningRate: 0)
                .ForwardMode(options.Cancellation));
        var made = new GraphGradientCase(graph, options);
        return new GradientReport(reports, gaps)
        {
            Steps = steps,
            Origin = CheckOrigin.Of($"a graph of {graph.LayerNodes.Count()} layers", options, made, backends),
        };
    }

    /// <summary>Checks a single layer.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="inputs">The shapes of its inputs.</param>
    /// <param name="backends">The backends.</param>
    /// <param name="options">The options of the check. Modes that need a whole graph are skipped.</param>
    /// <exception cref="ArgumentNullException"><paramref name="layer"/>, <paramref name="inputs"/> or
    /// <paramref name="backends"/> is null.</exception>
    /// <exception cref="ArgumentException">The layer does not accept inputs of these shapes.</exception>
    /// <exception cref="NotSupportedException">A backend does not support the layer.</exception>
    /// <exception cref="InvalidOperationException">The layer declares <see cref="Accuracy.Sums"/> without deriving from
    /// <see cref="SumLayer"/>.</exception>
    public static GradientReport Run(Layer layer, IReadOnlyList<Shape> inputs, IReadOnlyList<IBackend> backends,
        GradientCheckOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(layer);
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(backends);
        options ??= new GradientCheckOptions();
        if (ForwardCheck.Of(backends) is { } forward)
            return forward.Run(layer, inputs, options);
        var reports = new List<LayerReport>();
        var gaps = new List<ExactGap>();
        CheckLayer(new LayerCheck(layer.Kind, layer, inputs, options), options.Modes, backends, reports, gaps, null,
            null);
        if (options.Modes.HasFlag(CheckModes.Trajectories))
            reports.AddRange(RunningStatistics.Check(layer.Kind, layer, options, backends));
        var made = new LayerGradientCase(layer, inputs, options);
        return new GradientReport(reports, gaps)
        {
            Origin = CheckOrigin.Of($"{layer} for inputs of {string.Join(" + ", inputs)}", options, made, backends),
        };
    }

    /// <summary>Checks a loss and its gradient.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="classes">The number of outputs per sample, or per pixel if the loss takes a class for each
    /// pixel.</param>
    /// <param name="backends">The backends.</param>
    /// <param name="options">The batch size, the seed, the largest integer, and whether to check on integers, on real
    /// numbers, in forward mode, or in several of these modes.</param>
    /// <exception cref="ArgumentNullException"><paramref name="loss"/> or <paramref name="backends"/> is
    /// null.</exception>
    /// <exception cref="NotSupportedException">A backend does not support the loss.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="classes"/> is less than 1.</exception>
    public static GradientReport Run(Loss loss, int classes, IReadOnlyList<IBackend> backends,
        GradientCheckOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(loss);
        ArgumentNullException.ThrowIfNull(backends);
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 1);
        options ??= new GradientCheckOptions();
        var check = new LossCheck(loss, classes, options);
        IEnumerable<LayerReport> exact = options.Modes.HasFlag(CheckModes.Exact) ? check.Exact(backends) : [];
        IEnumerable<LayerReport> real = options.Modes.HasFlag(CheckModes.Real)
            ? [.. check.Real(backends), .. check.Weighted(backends), .. check.Ignoring(backends),
                .. check.Large(backends)]
            : [];
        IEnumerable<LayerReport> forward = options.Modes.HasFlag(CheckModes.ForwardMode) ? check.ForwardMode() : [];
        return new GradientReport([.. exact, .. real, .. forward],
            options.Modes.HasFlag(CheckModes.Exact) && check.Rounds is { } reason ? [new ExactGap(loss.GetType().Name,
                reason)] : [])
        {
            Origin = CheckOrigin.Of($"{loss} for {classes} outputs", options,
                new LossGradientCase(loss, classes, options), backends),
        };
    }

    /// <summary>Checks an optimiser over several steps, on a small network with layers of every kind that has
    /// parameters.</summary>
    /// <param name="optimizer">The optimiser: one of the library or a custom one, with its options and groups.</param>
    /// <param name="backends">The backends.</param>
    /// <param name="options">The batch size and the seed. The modes are not read: the one mode of this check is
    /// <see cref="CheckModes.Trajectories"/>.</param>
    /// <remarks>
    /// Further groups after those of the optimiser freeze a parameter and change the learning rate and the weight decay
    /// of others. Training steps are checked with gradients that are kept and with gradients that are not.
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="optimizer"/> or <paramref name="backends"/> is
    /// null.</exception>
    /// <exception cref="NotSupportedException">A backend does not support the optimiser.</exception>
    /// <exception cref="ArgumentException">A pattern of a group of the optimiser matches no parameter of the network,
    /// which has convolutions, batch normalisation and linear layers; or an elementwise rule moves a parameter of
    /// 0.</exception>
    public static GradientReport Run(Optimizer optimizer, IReadOnlyList<IBackend> backends,
        GradientCheckOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(backends);
        options ??= new GradientCheckOptions();
        return new GradientReport([.. OptimizerNetwork.Check(optimizer, backends, options)], [])
        {
            Origin = CheckOrigin.Of($"{optimizer}", options, made: null, backends),
        };
    }

    // The outputs of a network need not reach what a loss computes for others, as scores whose exponential overflows.
    private static IEnumerable<LayerReport> LossesOf(Graph graph, TrainingSpec spec, IReadOnlyList<IBackend> backends,
        GradientCheckOptions options)
    {
        foreach ((Loss loss, int classes) in spec.Losses.For(graph)
            .Select(objective => (objective.Loss, objective.Output.Shape.C)).Distinct())
        {
            var check = new LossCheck(loss, classes, options with { BatchSize = spec.BatchSize });
            foreach (IBackend backend in backends)
            {
                foreach (LayerReport report in LossOn(backend, check, options.Modes))
                    yield return report;
            }
        }
    }

    // The layer before the loss here may not be one of the network, so that the backend does not support it.
    private static List<LayerReport> LossOn(IBackend backend, LossCheck check, CheckModes modes)
    {
        var reports = new List<LayerReport>();
        try
        {
            if (modes.HasFlag(CheckModes.PlanExact))
                reports.AddRange(check.Exact([backend]));
            if (modes.HasFlag(CheckModes.PlanReal))
                reports.AddRange([.. check.Real([backend]), .. check.Weighted([backend]), .. check.Ignoring([backend]),
                    .. check.Large([backend])]);
        }
        catch (NotSupportedException)
        {
            reports.Clear();
        }
        return reports;
    }

    // Without a training of its own, the momentum and the weight decay make state and groups visible, and small
    // integers stay exact.
    private static IEnumerable<LayerReport> TrajectoriesOf(Graph graph, IReadOnlyList<IBackend> backends,
        GradientCheckOptions options)
    {
        TrainingSpec plain = SpecFor(graph, options);
        TrainingSpec spec = TrainingOf(graph, options) ?? plain with
        {
            Optimizer = new Sgd(0.5f, 0.25f, nesterov: true) { Groups = plain.Optimizer.Groups },
        };
        IEnumerable<LayerReport> steps = new OptimizerCheck(graph, spec, options.Cancellation).Check(backends);
        return steps.Concat(graph.LayerNodes.DistinctBy(node => node.Layer)
            .SelectMany(node => RunningStatistics.Check(node.Name, node.Layer!, options, backends)));
    }

    private static TrainingSpec SpecFor(Graph graph, GradientCheckOptions options) => new(options.BatchSize,
        GradientCheckOptions.LossesFor(graph), GradientCheckOptions.SgdFreezing(options.Frozen))
    { Seed = options.Seed };

    private static TrainingSpec? TrainingOf(Graph graph, GradientCheckOptions options)
        => options.Training is { } training
            ? training with { Optimizer = Freezing(training.Optimizer, graph, options.Frozen) }
            : null;

    // Adds the patterns that freeze more than the optimiser does already.
    private static Optimizer Freezing(Optimizer optimizer, Graph graph, IReadOnlyList<string> frozen)
    {
        string[] more = [.. frozen.Where(pattern => graph.Parameters.Any(p => p.Trainable
            && ParameterGroup.Matches(pattern, p.Name) && optimizer.GroupOf(p) is not { Frozen: true }))];
        return more.Length == 0 ? optimizer
            : optimizer with { Groups = [new ParameterGroup(more) { Frozen = true }, .. optimizer.Groups] };
    }

    private static void CheckLayer(LayerCheck check, CheckModes modes, IReadOnlyList<IBackend> backends,
        List<LayerReport> reports, List<ExactGap> gaps,
        float[][]? x, float[][]? w)
    {
        if (modes.HasFlag(CheckModes.Exact))
        {
            reports.AddRange(check.Exact(backends, out ExactGap? gap));
            if (gap is not null)
                gaps.Add(gap);
        }
        if (modes.HasFlag(CheckModes.Real))
            reports.AddRange(check.Real(backends, x, w));
        if (modes.HasFlag(CheckModes.ForwardMode))
            reports.Add(check.ForwardMode());
    }
}
