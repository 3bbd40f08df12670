namespace ConvNet.GradientChecking;

/// <summary>Forward passes of backends for inference only.</summary>
internal static class ForwardPass
{
    /// <summary>The remark of a report in which only the output is compared.</summary>
    public const string Remark = "forward only";

    /// <summary>Runs the graph of one layer after a pass over other values, and reads its output.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="tested">The node of the layer.</param>
    /// <param name="values">The values to run the layer on.</param>
    /// <param name="before">The values of the first pass.</param>
    public static LayerResult Infer(IExecutable executable, Node tested, LayerValues<float> values,
        LayerValues<float> before)
    {
        Infer(executable, tested.Parameters, before.X, before.W, before.N);
        return new LayerResult(Infer(executable, tested.Parameters, values.X, values.W, values.N)[0], [], [], [], [],
            LayerAlgorithms.Of(executable, tested));
    }

    /// <summary>Writes the parameters and returns the outputs of a batch.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="parameters">The parameters and buffers.</param>
    /// <param name="x">The inputs.</param>
    /// <param name="w">The values of the parameters.</param>
    /// <param name="n">The number of samples.</param>
    public static float[][] Infer(IExecutable executable, IReadOnlyList<Parameter> parameters, float[][] x,
        float[][] w, int n)
    {
        for (int i = 0; i < parameters.Count; i++)
            executable.Write(parameters[i], w[i]);
        float[][] y = [.. executable.Graph.Outputs.Select(output => new float[n * output.Shape.Length])];
        executable.Infer(BatchValues.InOrder(x), BatchBuffers.InOrder(y));
        return y;
    }
}
