using ConvNet.GradientChecking;
using ConvNet.Serialization;
using NUnit.Framework;

namespace ConvNet.Tests.Properties;

/// <summary>What must hold for every graph and every shape.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class GradientProperties(BackendCase backend)
{
    private IBackend _backend = null!;

    [OneTimeSetUp]
    public void Open() => _backend = backend.Open();

    [OneTimeTearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void LayersAgreeWithTheReference()
        => RandomProperty.Holds(seed => RandomCases.Layer(seed), _ => true, AgreesWithTheReference);

    [Test]
    public void LossesAgreeWithTheReference()
        => RandomProperty.Holds(RandomCases.Loss, _ => true, made => Passes(made.Run([_backend])));

    [Test]
    public void GraphsAgreeWithTheReferenceDownToTheUpdatedWeights()
        => RandomProperty.Holds(RandomCases.Graph, _ => true, AgreesWithTheReference);

    [Test]
    public void AGraphAndItsSerialisedCopyGiveTheSameBits()
        => RandomProperty.Holds(RandomCases.Graph, _ => true, made =>
    {
        Graph copy = GraphJson.Read(GraphJson.Write(made.Graph));
        // On one thread, where every backend repeats its bits.
        using IBackend single = backend.Open(threads: 1);
        float[][] here = StepOf(single, made.Graph, made.Options), there = StepOf(single, copy, made.Options);
        for (int i = 0; i < here.Length; i++)
            RandomProperty.Same(there[i], here[i], $"result {i}");
    });

    private void AgreesWithTheReference(GradientCase made)
        => Passes((made
            with
        { Options = made.Options with { Modes = CheckModes.Exact | CheckModes.Segments } }).Run([_backend]));

    private static void Passes(GradientReport report)
    {
        if (report.Verdict != Verdict.Pass)
            throw new InvalidOperationException(report.ToString());
    }

    private static float[][] StepOf(IBackend opened, Graph graph, GradientCheckOptions options)
    {
        var losses = Losses.Of([.. graph.Outputs.Select(node => new OutputLoss(node.Name, new MeanSquaredError()))]);
        using IExecutable executable = opened.Compile(graph, new TrainingSpec(options.BatchSize, losses, new Sgd())
        {
            InputGradient = true,
            Seed = options.Seed,
        });
        foreach (Parameter parameter in graph.Parameters)
            executable.Write(parameter, Samples.ParameterValues(parameter, seed: parameter.Length));
        float[] Uniform(Node node, int seed) => Samples.Uniform(options.BatchSize * node.Shape.Length, seed);
        executable.Forward(BatchValues.InOrder([.. graph.Inputs.Select((node, i) => Uniform(node, 2 * i + 1))]));
        float[][] outputs = [.. graph.Outputs.Select(node => new float[options.BatchSize * node.Shape.Length])];
        executable.ReadOutput(BatchBuffers.InOrder(outputs));
        var loss = (float)executable.Loss(Targets.Of(
            [.. graph.Outputs.Select((node, i) => new OutputTargets(node.Name, Uniform(node, 2 * i + 2)))]));
        executable.Backward();
        float[][] dx = [.. graph.Inputs.Select(node => new float[options.BatchSize * node.Shape.Length])];
        executable.ReadInputGradient(BatchBuffers.InOrder(dx));
        float[][] gradients =
            [.. graph.Parameters.Where(p => p.Trainable).Select(p => executable.ReadGradient(p))];
        executable.Step(0.1f);
        return
        [
            .. outputs, [loss], .. dx, .. gradients, .. graph.Parameters.Select(p => executable.Read(p)),
        ];
    }
}
