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

    /// <summary>Two training steps, the second with a smaller batch, then inference; all bits of scores, losses,
    /// gradients and parameters.</summary>
    public static int[] TrainTwoSteps(Graph graph, int n, NativeBackend backend, Action<NativePlan>? configure = null,
        bool keepGradients = true)
    {
        using var net = (NativePlan)backend.Compile(graph, new TrainingSpec(n, new MeanSquaredError(),
            new Sgd(0.9f, 1e-3f))
        { InputGradient = true, KeepGradients = keepGradients, Seed = 7 });
        configure?.Invoke(net);
        net.Initialize(new HeNormal(3));
        var bits = new List<int>();
        for (int batch = n; batch >= Math.Max(1, n - 1); batch--)
        {
            float[] scores = new float[batch * graph.Output.Shape.Length],
                gradient = new float[batch * graph.Input.Shape.Length];
            net.Forward(Values(gradient.Length, seed: batch));
            net.ReadOutput(scores);
            bits.Add(BitConverter.SingleToInt32Bits((float)net.Loss(Values(scores.Length, seed: 100 + batch))));
            net.Backward();
            net.ReadInputGradient(gradient);
            net.Step(0.01f);
            bits.AddRange(Bits(scores).Concat(Bits(gradient)));
        }
        foreach (Parameter parameter in graph.Parameters)
        {
            var values = new float[parameter.Length];
            net.Read(parameter, values);
            bits.AddRange(Bits(values));
        }
        var inferred = new float[n * graph.Output.Shape.Length];
        net.Infer(Values(n * graph.Input.Shape.Length, seed: 5), inferred);
        bits.AddRange(Bits(inferred));
        return [.. bits];
    }

    private static IEnumerable<int> Bits(float[] values) => values.Select(BitConverter.SingleToInt32Bits);
}
