using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>What optimisers do on every backend: trajectories, parameter groups, rules of the user's own.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class OptimizerContract(BackendCase backend)
{
    private static readonly IReadOnlyList<OptimizerCase> Cases = [.. OptimizerCases.All];

    // Whatever a rule does, a step has its bits.
    private static readonly IEnumerable<Optimizer> Rules =
        [.. Cases.Select(c => c.Optimizer), new SignOfSum(0.25f), new LargestFirst()];

    private IBackend _backend = null!;

    private bool IsTorch => backend.Name.StartsWith("torchsharp", StringComparison.Ordinal);

    [SetUp]
    public void Open() => _backend = backend.Open();

    [TearDown]
    public void Close() => _backend.Dispose();

    [TestCaseSource(nameof(Rules))]
    public void AStepHasTheBitsOfItsRule(Optimizer rule)
    {
        // Those of torch's own optimisers are torch's: ThousandStepContract holds them.
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

    // Weights packed in every way: a stem, whole blocks, groups of all kinds, a norm, linear layers.
    private static Graph EveryPacking() => Sequential.Of(new Shape(3, 6, 5),
        new Conv2d(32, 3, padding: 1), new Conv2d(32, 3, groups: 2), new Conv2d(32, 1, groups: 32), new BatchNorm2d(),
        new Relu(), new Conv2d(8, 1, groups: 4), new Conv2d(5, 1), new Flatten(), new Linear(7), new Linear(3));
}
