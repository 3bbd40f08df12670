using System.Collections.Concurrent;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>What optimisers do on every backend: trajectories, parameter groups, rules of the user's own.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class OptimizerContract(BackendCase backend)
{
    private const int Values = 37, Steps = 1_000;

    private static readonly IReadOnlyList<OptimizerCase> Cases = [.. OptimizerCases.All];

    // Whatever a rule does, a step has its bits.
    private static readonly IEnumerable<Optimizer> Rules =
        [.. Cases.Select(c => c.Optimizer), new SignOfSum(0.25f), new LargestFirst()];

    private static readonly ConcurrentDictionary<OptimizerCase, double> s_torchIsOff = [];

    private IBackend _backend = null!;

    private bool IsTorch => backend.Name.StartsWith("torchsharp", StringComparison.Ordinal);

    [SetUp]
    public void Open() => _backend = backend.Open();

    [TearDown]
    public void Close() => _backend.Dispose();

    [TestCaseSource(nameof(Cases))]
    public void AThousandStepsStayWithinTheRoundingOfTheExactRun(object @case)
    {
        var of = (OptimizerCase)@case;
        double distance = DistanceFromTheExactRun(_backend, of);
        if (IsTorch || !of.TorchHasIt)
            return;
        // A bound allows for the worst of all roundings. Torch's optimiser shows what they come to.
        Assert.That(distance, Is.LessThanOrEqualTo(2 * s_torchIsOff.GetOrAdd(of, DistanceOfTorch)),
            "in bounds, against torch's optimiser");
    }

    [TestCaseSource(nameof(Rules))]
    public void AStepHasTheBitsOfItsRule(Optimizer rule)
    {
        // Those of torch's own optimisers are torch's: AThousandStepsStayWithinTheRoundingOfTheExactRun holds them.
        bool own = IsTorch && Cases.Any(c => c.Optimizer == rule && c.TorchHasIt);
        Graph graph = EveryPacking();
        Optimizer optimizer = rule with
        {
            Groups = [new("*.bias", "conv2.*") { LearningRateFactor = 0.375f, WeightDecay = 0.125f }],
        };
        using IExecutable net = _backend.Compile(graph, new TrainingSpec(2, new MeanSquaredError(), optimizer));
        net.Initialize(new HeNormal(3));
        Parameter[] trainable = [.. graph.Parameters.Where(p => p.Trainable)];
        float[][] states = [.. trainable.Select(p => new float[optimizer.StateNames.Count * p.Length])];
        for (int step = 1; step <= 3; step++)
        {
            net.Forward(Samples.Uniform(2 * graph.Input.Shape.Length, step));
            net.Loss(Samples.Uniform(2 * graph.Output.Shape.Length, 10 + step));
            net.Backward();
            float[][] expected = [.. trainable.Select(p => net.Read(p))];
            for (int i = 0; i < trainable.Length; i++)
            {
                UpdateContext context = optimizer.OptionsOf(trainable[i]).At(step, 0.01f);
                optimizer.Move<float>(context, trainable[i], net.ReadGradient(trainable[i]), expected[i],
                    new StateSpans<float>(states[i], optimizer.StateNames.Count));
            }
            net.Step(0.01f);
            for (int i = 0; i < trainable.Length; i++)
                Assert.That(net.Read(trainable[i]), Is.EqualTo(expected[i]).Within(own ? 1e-6 : 0),
                    $"{trainable[i]}, step {step}");
        }
    }

    [Test]
    public void ATrainStepIsTheFourVerbs([Values] bool whole, [Values] bool keepGradients)
    {
        Optimizer rule = whole ? new LargestFirst() : new SignOfSum();
        var spec = new TrainingSpec(2, new MeanSquaredError(), rule);
        using IExecutable verbs = _backend.Compile(EveryPacking(), spec);
        using IExecutable fused = _backend.Compile(verbs.Graph, spec with { KeepGradients = keepGradients });
        verbs.Initialize(new HeNormal(3));
        verbs.CopyParametersTo(fused);
        for (int step = 0; step < 2; step++)
        {
            float[] images = Samples.Uniform(2 * verbs.Graph.Input.Shape.Length, step);
            float[] targets = Samples.Uniform(2 * verbs.Graph.Output.Shape.Length, 10 + step);
            verbs.Forward(images);
            verbs.Loss(targets);
            verbs.Backward();
            verbs.Step(0.01f);
            fused.TrainStep(images, targets, 0.01f);
        }
        foreach (Parameter parameter in verbs.Graph.Parameters)
            Assert.That(fused.Read(parameter), Is.EqualTo(verbs.Read(parameter)), parameter.Name);
    }

    [Test]
    public void AGroupHasALearningRateAndAWeightDecayOfItsOwn()
    {
        Optimizer optimizer = new Sgd(weightDecay: 0.5f)
        {
            Groups =
            [
                new("*.bias") { WeightDecay = 0 },
                new("linear?.*") { LearningRateFactor = 2, WeightDecay = 0.25f },
            ],
        };
        Graph graph = Sequential.Of(new Shape(1, 1, 2), new Conv2d(1, (1, 2)), new Linear(1), new Linear(1));
        using IExecutable net = _backend.Compile(graph, new TrainingSpec(1, new MeanSquaredError(), optimizer));
        foreach (Parameter parameter in graph.Parameters)
            net.Write(parameter, [.. Enumerable.Repeat(8f, parameter.Length)]);
        net.Forward((float[])[0, 0]);
        net.Backward((float[])[0]);
        net.Step(0.25f);
        Assert.Multiple(() =>
        {
            Assert.That(net.Read(graph.Parameters[0]), Is.All.EqualTo(8 - (0.25f * 0.5f * 8)));
            foreach (int linear in (int[])[2, 4])
                Assert.That(net.Read(graph.Parameters[linear]), Is.All.EqualTo(8 - (2 * 0.25f * 0.25f * 8)));
            foreach (int bias in (int[])[1, 3, 5])
                Assert.That(net.Read(graph.Parameters[bias]), Is.All.EqualTo(8));
        });
    }

    [Test]
    public void ARuleThatMovesZerosIsRefused()
        => Assert.That(
            () => _backend.Compile(EveryPacking(), new TrainingSpec(1, new MeanSquaredError(), new MovesZeros())),
            Throws.ArgumentException.With.Message.Contains(nameof(MovesZeros))
                .And.Message.Contains(nameof(WholeParameterOptimizer)));

    private static double DistanceOfTorch(OptimizerCase of)
    {
        using var torch = new TorchSharpBackend(threads: 1);
        return DistanceFromTheExactRun(torch, of);
    }

    // The root mean square over all values of how far they are from the exact run, in bounds of the last step.
    private static double DistanceFromTheExactRun(IBackend backend, OptimizerCase of)
    {
        Optimizer optimizer = of.Optimizer with
        {
            Groups = [new("*.bias") { LearningRateFactor = 0.5f, WeightDecay = 0 }],
        };
        Graph graph = Sequential.Of(Shape.Vector(1), new Linear(Values));
        using IExecutable net = backend.Compile(graph, new TrainingSpec(1, new MeanSquaredError(), optimizer));
        Assert.That(optimizer.StateNames, Has.Count.EqualTo(of.States));
        Bounded[][] exact = new Bounded[2][];
        Bounded[][][] states = new Bounded[2][][];
        foreach (Parameter p in graph.Parameters)
        {
            float[] start = Array.ConvertAll(Samples.Uniform(Values, p.Index), v => v / 16);
            net.Write(p, start);
            exact[p.Index] = Array.ConvertAll(start, Bounded.Exact);
            states[p.Index] = [.. Enumerable.Range(0, of.States).Select(_ => new Bounded[Values])];
        }
        for (int step = 1; step <= Steps; step++)
        {
            // The input is 1, so the gradient of the output is that of the weights and of the bias.
            float[] g = Gradient(step);
            net.Forward((float[])[1]);
            net.Backward(g);
            net.Step(of.LearningRate);
            foreach (Parameter p in graph.Parameters)
            {
                UpdateContext context = optimizer.OptionsOf(p).At(step, of.LearningRate);
                of.Formula(context, Array.ConvertAll(g, Bounded.Exact), exact[p.Index], states[p.Index]);
                float[] got = net.Read(p);
                for (int i = 0; i < Values; i++)
                {
                    double off = Math.Abs(got[i] - exact[p.Index][i].Value);
                    Assert.That(off, Is.LessThanOrEqualTo(exact[p.Index][i].Error), $"{p.Name} {i}, step {step}");
                }
            }
        }
        double squares = 0;
        foreach (Parameter p in graph.Parameters)
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

    // Weights packed in every way: a stem, whole blocks, groups of all kinds, a norm, linear layers.
    private static Graph EveryPacking() => Sequential.Of(new Shape(3, 6, 5),
        new Conv2d(32, 3, padding: 1), new Conv2d(32, 3, groups: 2), new Conv2d(32, 1, groups: 32), new BatchNorm2d(),
        new Relu(), new Conv2d(8, 1, groups: 4), new Conv2d(5, 1), new Flatten(), new Linear(7), new Linear(3));
}
