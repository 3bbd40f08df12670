namespace ConvNet.Tests.Native;

/// <summary>Runs a graph on the native backend and collects every bit of the outcome.</summary>
internal static class NativeRun
{
    /// <summary>Values in [−1, 1), the same for the same seed.</summary>
    public static float[] Values(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 2 - 1)];
    }

    /// <summary>Two training steps, the second with a smaller batch, then inference; all bits of outputs, losses,
    /// gradients and parameters. Inputs are in [−scale, scale).</summary>
    public static int[] TrainTwoSteps(Graph graph, int n, NativeBackend backend, Action<NativePlan>? configure = null,
        bool keepGradients = true, float scale = 1)
    {
        BatchValues Inputs(int batch, int seed) => BatchValues.InOrder(
            [.. GraphSamples.Inputs(graph, batch, seed).Select(input => (float[])[.. input.Select(x => x * scale)])]);
        using var net = (NativePlan)backend.Compile(graph, new TrainingSpec(n,
            GraphSamples.SquaredErrors(graph), new Sgd(0.9f, 1e-3f))
        { InputGradient = true, KeepGradients = keepGradients, Seed = 7 });
        configure?.Invoke(net);
        net.Initialize(new HeNormal(3));
        var bits = new List<int>();
        for (int batch = n; batch >= Math.Max(1, n - 1); batch--)
        {
            float[][] outputs = GraphSamples.Outputs(graph, batch),
                gradients = GraphSamples.InputGradients(graph, batch);
            net.Forward(Inputs(batch, seed: batch));
            net.ReadOutput(BatchBuffers.InOrder(outputs));
            double loss = net.Loss(Targets.Of(GraphSamples.Targets(graph, batch, seed: 100 + batch)));
            bits.Add(BitConverter.SingleToInt32Bits((float)loss));
            net.Backward();
            net.ReadInputGradient(BatchBuffers.InOrder(gradients));
            net.Step(0.01f);
            bits.AddRange(outputs.Concat(gradients).SelectMany(Bits));
        }
        foreach (Parameter parameter in graph.Parameters)
        {
            var values = new float[parameter.Length];
            net.Read(parameter, values);
            bits.AddRange(Bits(values));
        }
        float[][] inferred = GraphSamples.Outputs(graph, n);
        net.Infer(Inputs(n, seed: 5), BatchBuffers.InOrder(inferred));
        bits.AddRange(inferred.SelectMany(Bits));
        return [.. bits];
    }

    private static IEnumerable<int> Bits(float[] values) => values.Select(BitConverter.SingleToInt32Bits);
}
