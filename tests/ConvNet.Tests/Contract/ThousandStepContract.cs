using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>The updates of every optimiser over a thousand steps. The exact run, which takes most of the time, is made
/// once for all backends.</summary>
public sealed class ThousandStepContract
{
    private const int Values = 37, Steps = 1_000;

    private static readonly IEnumerable<OptimizerCase> Cases = OptimizerCases.All;

    [TestCaseSource(nameof(Cases))]
    public void StaysWithinTheRoundingOfTheExactRun(object @case)
    {
        var of = (OptimizerCase)@case;
        Backends.Use(Backends.All, backends =>
        {
            double[] distances = DistancesFromTheExactRun(backends, of);
            if (!of.TorchHasIt)
                return;
            // A bound allows for the worst of all roundings. Torch's optimiser shows what they come to.
            int torch = Enumerable.Range(0, backends.Count).First(i => backends[i] is TorchSharpBackend);
            Assert.That(distances.Where((_, i) => backends[i] is not TorchSharpBackend),
                Has.All.LessThanOrEqualTo(2 * distances[torch]), "in bounds, against torch's optimiser");
        }, threads: 1);
    }

    // The root mean square over all values of how far they are from the exact run, in bounds of the last step.
    private static double[] DistancesFromTheExactRun(IReadOnlyList<IBackend> backends, OptimizerCase of)
    {
        Optimizer optimizer = of.Optimizer with
        {
            Groups = [new("*.bias") { LearningRateFactor = 0.5f, WeightDecay = 0 }],
        };
        Graph graph = Sequential.Of(Shape.Vector(1), new Linear(Values));
        Assert.That(optimizer.StateNames, Has.Count.EqualTo(of.States));
        var spec = new TrainingSpec(1, new MeanSquaredError(), optimizer);
        var nets = new List<IExecutable>();
        try
        {
            nets.AddRange(backends.Select(backend => backend.Compile(graph, spec)));
            Bounded[][] exact = Train(nets, graph, optimizer, of);
            return [.. nets.Select(net => Distance(net, exact))];
        }
        finally
        {
            nets.ForEach(net => net.Dispose());
        }
    }

    private static Bounded[][] Train(List<IExecutable> nets, Graph graph, Optimizer optimizer, OptimizerCase of)
    {
        Bounded[][] exact = new Bounded[2][];
        Bounded[][][] states = new Bounded[2][][];
        foreach (Parameter p in graph.Parameters)
        {
            float[] start = Array.ConvertAll(Samples.Uniform(Values, p.Index), v => v / 16);
            nets.ForEach(net => net.Write(p, start));
            exact[p.Index] = Array.ConvertAll(start, Bounded.Exact);
            states[p.Index] = [.. Enumerable.Range(0, of.States).Select(_ => new Bounded[Values])];
        }
        for (int step = 1; step <= Steps; step++)
        {
            // The input is 1, so the gradient of the output is that of the weights and of the bias.
            float[] g = Gradient(step);
            foreach (IExecutable net in nets)
            {
                net.Forward((float[])[1]);
                net.Backward(g);
                net.Step(of.LearningRate);
            }
            foreach (Parameter p in graph.Parameters)
            {
                UpdateContext context = optimizer.OptionsOf(p).At(step, of.LearningRate);
                of.Formula(context, Array.ConvertAll(g, Bounded.Exact), exact[p.Index], states[p.Index]);
                nets.ForEach(net => AssertWithin(net.Read(p), exact[p.Index], $"{p.Name}, step {step}"));
            }
        }
        return exact;
    }

    private static void AssertWithin(float[] got, Bounded[] exact, string where)
    {
        for (int i = 0; i < Values; i++)
        {
            (double value, double error) = exact[i];
            if (!(Math.Abs(got[i] - value) <= error))
                Assert.Fail($"{where}: value {i} is {got[i]}, not within {error} of {value}");
        }
    }

    private static double Distance(IExecutable net, Bounded[][] exact)
    {
        double squares = 0;
        foreach (Parameter p in net.Graph.Parameters)
        {
            float[] got = net.Read(p);
            for (int i = 0; i < Values; i++)
            {
                (double value, double error) = exact[p.Index][i];
                Assert.That(error, Is.LessThan(1e-3 * Math.Max(1, Math.Abs(value))), "the bound says something");
                squares += Math.Pow((got[i] - value) / error, 2);
            }
        }
        return Math.Sqrt(squares / (2 * Values));
    }

    // Values that drift and values that do not, of different sizes; one gets no gradient, one only now and then.
    private static float[] Gradient(int step)
    {
        float[] noise = Samples.Uniform(Values, 1_000 + step);
        for (int i = 0; i < Values; i++)
            noise[i] = (noise[i] + ((i % 3) - 1) * 0.25f) * MathF.Pow(10, (i % 5) - 3);
        (noise[0], noise[1]) = (0, step % 10 == 0 ? noise[1] : 0);
        return noise;
    }
}
