namespace ConvNet.GradientChecking;

/// <summary>The results that a backend computed for one layer, and the algorithms it used.</summary>
/// <param name="Y">The output.</param>
/// <param name="DX">The gradients of the inputs.</param>
/// <param name="DW">The gradients of the parameters; null for a buffer or a frozen parameter.</param>
/// <param name="Buffers">The buffers after the pass; null for a parameter.</param>
/// <param name="Frozen">The frozen parameters after a step; null for any other.</param>
/// <param name="Algorithms">The algorithms.</param>
internal sealed record LayerResult(float[] Y, float[][] DX, float[]?[] DW, float[]?[] Buffers, float[]?[] Frozen,
    LayerAlgorithms Algorithms);

/// <summary>A graph of one layer, to run that layer on a backend with given values for everything it reads.</summary>
internal sealed class LayerProbe
{
    private const float LearningRate = 0.25f;

    private readonly Sgd _optimizer;
    private readonly HashSet<Parameter> _frozen;

    /// <summary>Creates the graph.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="shapes">The shapes of its inputs.</param>
    /// <param name="frozen">The names of its frozen parameters; null for none.</param>
    public LayerProbe(Layer layer, IReadOnlyList<Shape> shapes, IReadOnlyList<string>? frozen = null)
    {
        Graph = new Graph();
        Tested = Graph.Add("tested", layer, [.. shapes.Select((shape, i) => Graph.AddInput($"x{i}", shape))]);
        string[] names = [.. (frozen ?? []).Select(name => $"{Tested.Name}.{name}")];
        _optimizer = GradientCheckOptions.SgdFreezing(names);
        _frozen = [.. Tested.Parameters.Where(p => names.Contains(p.Name))];
    }

    /// <summary>The graph.</summary>
    public Graph Graph { get; }

    /// <summary>The node of the layer.</summary>
    public Node Tested { get; }

    /// <summary>Runs the layer on a backend after a pass over other values, so that state carried over is
    /// detected.</summary>
    /// <param name="backend">The backend.</param>
    /// <param name="values">The values to run the layer on.</param>
    /// <param name="before">The values of the first pass. The graph is compiled for its batch size.</param>
    public LayerResult Run(IBackend backend, LayerValues<float> values, LayerValues<float> before)
    {
        using IExecutable executable = Compile(backend, before.N, values.Seed);
        if (backend.Info.InferenceOnly)
            return ForwardPass.Infer(executable, Tested, values, before);
        Train(executable, before);
        float[] y = Train(executable, values);
        float[][] dx = [.. Graph.Inputs.Select(input => new float[values.N * input.Shape.Length])];
        executable.ReadInputGradient(BatchBuffers.InOrder(dx));
        float[]?[] gradients = [.. Tested.Parameters
            .Select(p => p.Trainable && !_frozen.Contains(p) ? executable.ReadGradient(p) : null)],
            buffers = [.. Tested.Parameters.Select(p => p.Trainable ? null : executable.Read(p))];
        if (_frozen.Count > 0)
            executable.Step(LearningRate);
        return new LayerResult(y, dx, gradients, buffers,
            [.. Tested.Parameters.Select(p => _frozen.Contains(p) ? executable.Read(p) : null)],
            LayerAlgorithms.Of(executable, Tested));
    }

    /// <summary>Returns the algorithms that a backend uses for the layer at a batch size.</summary>
    public LayerAlgorithms AlgorithmsOn(IBackend backend, int batchSize)
    {
        using IExecutable executable = Compile(backend, batchSize, seed: 0);
        return LayerAlgorithms.Of(executable, Tested);
    }

    // The loss is never evaluated, because the gradient of the output is given.
    private IExecutable Compile(IBackend backend, int batchSize, ulong seed)
        => backend.Info.InferenceOnly ? backend.CompileInference(Graph, batchSize) : backend.Compile(Graph,
            new TrainingSpec(batchSize, new MeanSquaredError(), _optimizer) { InputGradient = true, Seed = seed });

    private float[] Train(IExecutable executable, LayerValues<float> values)
    {
        for (int i = 0; i < Tested.Parameters.Count; i++)
            executable.Write(Tested.Parameters[i], values.W[i]);
        executable.Forward(BatchValues.InOrder(values.X));
        var y = new float[values.N * Tested.Shape.Length];
        executable.ReadOutput(y);
        executable.Backward(values.DY);
        return y;
    }
}
