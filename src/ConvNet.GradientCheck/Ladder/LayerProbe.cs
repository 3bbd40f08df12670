namespace ConvNet.GradientChecking;

/// <summary>The results that a backend computed for one layer, and the algorithms it used.</summary>
internal sealed record LayerResult(float[] Y, float[][] DX, float[]?[] DW, float[]?[] Buffers,
    LayerAlgorithms Algorithms);

/// <summary>A graph of one layer, to run that layer on a backend with given values for everything it reads.</summary>
internal sealed class LayerProbe
{
    /// <summary>Creates the graph.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="shapes">The shapes of its inputs.</param>
    public LayerProbe(Layer layer, IReadOnlyList<Shape> shapes)
    {
        Graph = new Graph();
        Tested = Graph.Add("tested", layer, [.. shapes.Select((shape, i) => Graph.AddInput($"x{i}", shape))]);
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
        Train(executable, before);
        float[] y = Train(executable, values);
        float[][] dx = [.. Graph.Inputs.Select(input => new float[values.N * input.Shape.Length])];
        executable.ReadInputGradient(BatchBuffers.InOrder(dx));
        return new LayerResult(y, dx,
            [.. Tested.Parameters.Select(p => p.Trainable ? ReadGradient(executable, p) : null)],
            [.. Tested.Parameters.Select(p => p.Trainable ? null : Read(executable, p))],
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
        => backend.Compile(Graph,
            new TrainingSpec(batchSize, new MeanSquaredError(), new Sgd()) { InputGradient = true, Seed = seed });

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

    private static float[] ReadGradient(IExecutable executable, Parameter parameter)
    {
        var values = new float[parameter.Length];
        executable.ReadGradient(parameter, values);
        return values;
    }

    private static float[] Read(IExecutable executable, Parameter parameter)
    {
        var values = new float[parameter.Length];
        executable.Read(parameter, values);
        return values;
    }
}
