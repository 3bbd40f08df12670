using ConvNet.Models;
using ConvNet.Native.Steps;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>The optimiser's step inside the gradient of the weights, and what it leaves in memory.</summary>
public sealed class StepInsideTests
{
    private static IEnumerable<Optimizer> Optimizers => OptimizerCases.All.Select(of => of.Optimizer);

    [Test]
    public void ATrainStepHasTheBitsOfItsPhases(
        [ValueSource(typeof(GraphCases), nameof(GraphCases.All))] GraphCase graph, [Values] bool keepGradients,
        [ValueSource(nameof(Optimizers))] Optimizer rule)
    {
        using var backend = new NativeBackend();
        Graph built = graph.Build();
        string[] first = [.. built.Parameters.Where(p => p.Trainable).Take(2).Select(p => p.Name)];
        Optimizer optimizer = first.Length == 0 ? rule : rule with
        {
            Groups = [new(first) { LearningRateFactor = 0.7f, WeightDecay = 0 }],
        };
        var spec = new TrainingSpec(graph.N, GraphSamples.SquaredErrors(built), optimizer)
        {
            KeepGradients = keepGradients,
            Seed = 3
        };
        using NativePlan apart = backend.Compile(built, spec with { KeepGradients = true }),
            together = backend.Compile(built, spec);
        apart.Initialize(new HeNormal(4));
        apart.CopyParametersTo(together);
        for (int n = graph.N; n >= Math.Max(1, graph.N - 1); n--)
        {
            var images = BatchValues.InOrder(GraphSamples.Inputs(built, n, n));
            var targets = Targets.Of(GraphSamples.Targets(built, n, 50 + n));
            apart.Forward(images);
            double loss = apart.Loss(targets);
            apart.Backward();
            apart.Step(0.02f);
            Assert.That(together.TrainStep(images, targets, 0.02f), Is.EqualTo(loss));
        }
        foreach (Parameter parameter in built.Parameters)
        {
            Assert.That(together.Read(parameter), Is.EqualTo(apart.Read(parameter)), parameter.Name);
            if (keepGradients && parameter.Trainable)
                Assert.That(together.ReadGradient(parameter),
                    Is.EqualTo(apart.ReadGradient(parameter)), parameter.Name);
        }
    }

    [Test]
    public void PhasesApartWorkWithoutKeptGradients()
    {
        using var backend = new NativeBackend();
        Graph graph = BuiltInModels.Create("digits");
        var spec = new TrainingSpec(3, new SoftmaxCrossEntropy(), new Sgd(0.9f));
        using NativePlan kept = backend.Compile(graph, spec),
            frugal = backend.Compile(graph, spec with { KeepGradients = false });
        kept.Initialize(new HeNormal(4));
        kept.CopyParametersTo(frugal);
        float[] images = NativeRun.Values(3 * graph.Input.Shape.Length, 1);
        foreach (NativePlan net in (NativePlan[])[kept, frugal])
        {
            net.TrainStep(images, (int[])[1, 2, 3], 0.01f);
            net.Forward(images);
            net.Loss((int[])[1, 2, 3]);
            net.Backward();
            net.Forward(images);
            net.Loss((int[])[4, 5, 6]);
            net.Backward(accumulate: true);
            net.Step(0.01f);
        }
        foreach (Parameter parameter in graph.Parameters)
            Assert.That(frugal.Read(parameter), Is.EqualTo(kept.Read(parameter)), parameter.Name);
    }

    [Test]
    public void GradientsThatAreNotKeptTakeNoMemory()
    {
        using var backend = new NativeBackend();
        Graph graph = BuiltInModels.Create("resnet20");
        var spec = new TrainingSpec(2, new SoftmaxCrossEntropy(), new Sgd(0.9f));
        using NativePlan kept = backend.Compile(graph, spec),
            frugal = backend.Compile(graph, spec with { KeepGradients = false });
        long perChannel = graph.Parameters.Where(p => p.Trainable && p.Node.Layer is BatchNorm2d)
            .Sum(p => 4L * p.Length);
        Assert.That(kept.Explain().Memory.Gradients, Is.GreaterThan(4 * 272_474));
        Assert.That(frugal.Explain().Memory.Gradients, Is.EqualTo(perChannel), "only those of batch norm");
    }

    [Test]
    public void ATransposedConvolutionStepsInsideItsWeightGradient([Values(1, 2, 32, 4)] int groups,
        [Values("", "*.weight", "*.bias")] string frozen, [ValueSource(nameof(Optimizers))] Optimizer rule)
    {
        using var backend = new NativeBackend();
        var graph = Sequential.Of(new Shape(32, 4, 5), new Relu(),
            new ConvTranspose2d(32, 3, stride: 2, padding: 1, groups: groups), new Relu(), new GlobalAvgPool2d());
        Optimizer optimizer = frozen.Length == 0 ? rule : rule with { Groups = [new(frozen) { Frozen = true }] };
        var spec = new TrainingSpec(3, new MeanSquaredError(), optimizer) { KeepGradients = false };
        using NativePlan apart = backend.Compile(graph, spec with { KeepGradients = true }),
            together = backend.Compile(graph, spec);
        apart.Initialize(new HeNormal(4));
        apart.CopyParametersTo(together);
        for (int step = 0; step < 3; step++)
        {
            float[] input = NativeRun.Values(3 * graph.Input.Shape.Length, step),
                targets = NativeRun.Values(3 * graph.Output.Shape.Length, 10 + step);
            apart.Forward(input);
            apart.Loss(targets);
            apart.Backward();
            apart.Step(0.02f);
            together.TrainStep(input, targets, 0.02f);
        }
        foreach (Parameter parameter in graph.Parameters)
            Assert.That(together.Read(parameter), Is.EqualTo(apart.Read(parameter)), parameter.Name);
        if (rule is not (Sgd { Dampening: 0 } or Adam { AmsGrad: false } or AdamW { AmsGrad: false }))
            return;     // a rule in C# needs the gradients
        // Eight channels of a group are no whole block, so plain loops compute the gradient.
        int weights = groups == 4 && frozen != "*.weight" ? graph.Parameters[0].Length : 0,
            bias = frozen == "*.bias" ? 0 : graph.Parameters[1].Length;
        Assert.That(together.Explain().Memory.Gradients, Is.EqualTo(sizeof(float) * (weights + bias)));
    }

    [TestCase(true)]
    [TestCase(false)]
    public void OutputsOfBatchNormAreComputedAgain(bool keepGradients)
    {
        using var backend = new NativeBackend();
        var spec = new TrainingSpec(8, new SoftmaxCrossEntropy(), new Sgd(0.9f)) { KeepGradients = keepGradients };
        Graph graph = BuiltInModels.Create("resnet20");
        using NativePlan plan = backend.Compile(graph, spec);
        BatchNormAgain[] again = [.. plan.Training.BackwardSteps.OfType<BatchNormAgain>()];
        Assert.That(again, Has.Length.EqualTo(10),
            "one in front of every second convolution of a block, and the first");
        // What has to be kept: what each batch normalisation reads, and the sums. The outputs of the ten would come on
        // top.
        long kept = 8L * graph.Nodes.Where(node => node.Layer is Conv2d or Add).Sum(node => node.Shape.Length);
        Assert.That(plan.Training.ArenaFloats, Is.LessThan(kept + again.Sum(step => step.Slots[^1].Floats)));
    }
}
