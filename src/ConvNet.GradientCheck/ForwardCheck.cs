namespace ConvNet.GradientChecking;

/// <summary>Checks backends of which some compute forward passes only: the outputs of
/// <see cref="IExecutable.Infer"/>.</summary>
/// <remarks>
/// Each layer runs as in inference, in exact and in real-valued mode. Segments of several layers run on integers. The
/// distance of the whole network from a double run may be at most 8 times that of float32. The other backends are
/// checked as usual.
/// </remarks>
/// <param name="training">The backends that train.</param>
/// <param name="inferring">The backends for inference only.</param>
internal sealed class ForwardCheck(IReadOnlyList<IBackend> training, IReadOnlyList<IBackend> inferring)
{
    private readonly List<LayerReport> _reports = [];
    private readonly List<ExactGap> _gaps = [];
    private IReadOnlyList<PlanStep> _steps = [];

    /// <summary>Returns a check of backends; null if all of them train.</summary>
    public static ForwardCheck? Of(IReadOnlyList<IBackend> backends)
    {
        IBackend[] inferring = [.. backends.Where(backend => backend.Info.InferenceOnly)];
        return inferring.Length == 0 ? null : new ForwardCheck([.. backends.Except(inferring)], inferring);
    }

    /// <summary>Checks a graph.</summary>
    public GradientReport Run(Graph graph, GradientCheckOptions options)
    {
        if (training.Count > 0)
            Include(GradientCheck.Run(graph, training, options));
        foreach ((Node node, float[][] x, float[][] w) in Activations.Of(graph, options, forwardOnly: true))
            CheckLayer(new LayerCheck(node.Name, node.Layer!, node.InputShapes, options, forwardOnly: true),
                options.Modes, x, w);
        if (options.Modes.HasFlag(CheckModes.Segments))
            ExactSegments.Check(graph, inferring, options, _reports, _gaps);
        if (options.Modes.HasFlag(CheckModes.EndToEnd))
            CheckNetwork(graph, options);
        return Report($"a graph of {graph.LayerNodes.Count()} layers", options, new GraphGradientCase(graph, options));
    }

    /// <summary>Checks a single layer.</summary>
    public GradientReport Run(Layer layer, IReadOnlyList<Shape> inputs, GradientCheckOptions options)
    {
        if (training.Count > 0)
            Include(GradientCheck.Run(layer, inputs, training, options));
        CheckLayer(new LayerCheck(layer.Kind, layer, inputs, options, forwardOnly: true), options.Modes, null, null);
        return Report($"{layer} for inputs of {string.Join(" + ", inputs)}", options,
            new LayerGradientCase(layer, inputs, options));
    }

    private void CheckLayer(LayerCheck check, CheckModes modes, float[][]? x, float[][]? w)
    {
        if (modes.HasFlag(CheckModes.Exact))
        {
            _reports.AddRange(check.Exact(inferring, out ExactGap? gap));
            if (gap is not null)
                Add(gap);
        }
        if (modes.HasFlag(CheckModes.Real))
            _reports.AddRange(check.Real(inferring, x, w));
    }

    private void CheckNetwork(Graph graph, GradientCheckOptions options)
    {
        var fill = new Fill(options.Seed);
        int stream = 0, n = options.BatchSize;
        float[][] parameters = [.. graph.LayerNodes.SelectMany(node => node.Layer!.Parameters(node.InputShapes))
            .Select(spec => fill.Parameter(stream++, spec))];
        float[][] inputs = [.. graph.Inputs.Select(input => fill.Uniform(stream++, n * input.Shape.Length, 1))];
        InferenceTruth truth = InferenceTruth.Of(graph, inputs, parameters, n, options.Seed, options.Cancellation);
        foreach (IBackend backend in inferring)
        {
            options.Cancellation.ThrowIfCancellationRequested();
            using IExecutable executable = backend.CompileInference(graph, n);
            float[][] got = ForwardPass.Infer(executable, graph.Parameters, inputs, parameters, n);
            _reports.Add(BackendVariant.Completed(new LayerReport(BackendVariant.NameOf(backend), "network", "graph",
                CheckModes.EndToEnd, [.. graph.Outputs.Select((output, i) => EndToEnd.Compare(
                    graph.Outputs.Count == 1 ? "output" : $"output of {output.Name}", InferenceTruth.Doubles(got[i]),
                    truth.Outputs[i], truth.Allowed[i]))],
                ForwardPass.Remark), backend));
        }
    }

    private GradientReport Report(string subject, GradientCheckOptions options, GradientCase made)
        => new(_reports, _gaps)
        {
            Steps = _steps,
            Origin = CheckOrigin.Of(subject, options, made, [.. training, .. inferring]),
        };

    private void Include(GradientReport trained)
    {
        _reports.AddRange(trained.Layers);
        _gaps.AddRange(trained.Gaps);
        _steps = trained.Steps;
    }

    private void Add(ExactGap gap)
    {
        if (!_gaps.Contains(gap))
            _gaps.Add(gap);
    }
}
