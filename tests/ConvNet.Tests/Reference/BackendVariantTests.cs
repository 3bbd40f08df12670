using ConvNet.GradientChecking;
using ConvNet.GradientChecking.Research;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

public sealed class BackendVariantTests
{
    private static readonly Graph Net = Sequential.Of(new Shape(2, 5, 4), new Conv2d(3, 3, padding: 1), new Relu(),
        new Flatten(), new Linear(3));

    [Test]
    public void ThreadsThatAgreeAreReportedWithWhatWasCompared()
    {
        using var variant = new BackendVariant("mine", new ManagedBackend(1), new ManagedBackend(2),
            new ManagedBackend(5));
        GradientReport report = GradientCheck.Run(Net, [variant]);
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Pass));
        // The comparisons of a plan end with those of all its tensors.
        LayerReport[] mine = [.. report.Layers.Where(layer => layer.Backend == "mine"
            && layer.Mode is not (CheckModes.PlanExact or CheckModes.PlanReal or CheckModes.Trajectories))];
        Assert.That(mine.Select(layer => layer.Layer), Is.SupersetOf((string[])["conv1", "relu1", "flatten1",
            "linear1"]));
        foreach (LayerReport layer in mine)
        {
            TensorReport threads = layer.Tensors[^1];
            Assert.That((threads.Name, threads.Failed), Is.EqualTo(("threads", 0)), $"{layer.Layer} {layer.Mode}");
            Assert.That(threads.Elements, Is.GreaterThanOrEqualTo(2 * layer.Tensors[0].Elements));
        }
    }

    [TestCase(FaultTarget.Output, "y, 2 threads")]
    [TestCase(FaultTarget.InputGradient, "dx, 2 threads")]
    [TestCase(FaultTarget.WeightGradient, "gradient of tested.weight, 2 threads")]
    [TestCase(FaultTarget.BiasGradient, "gradient of tested.bias, 2 threads")]
    public void ThreadsThatDisagreeAreWrong(FaultTarget target, string name)
    {
        using var right = new ManagedBackend(2);
        using var variant = new BackendVariant("mine", new ManagedBackend(1),
            new FaultyBackend(right, new Fault(FaultKind.SignFlipped, target)));
        foreach (CheckModes mode in (CheckModes[])[CheckModes.Exact, CheckModes.Real])
        {
            GradientReport report = GradientCheck.Run(new Conv2d(3, 3, padding: 1), [new Shape(2, 5, 4)], [variant],
                new GradientCheckOptions { Modes = mode });
            TensorReport[] wrong = [.. report.Layers.Single().Tensors.Where(tensor => tensor.Verdict == Verdict.Fail)];
            Assert.That(wrong.Select(tensor => (tensor.Name, tensor.Failed, tensor.Against)).Distinct(),
                Is.EqualTo(new[] { (name, 1, "with 1 thread") }), $"{mode}");
            Assert.That(wrong[0].Got, Is.EqualTo(-wrong[0].Truth).And.Not.Zero);
        }
    }

    [Test]
    public void TensorsBetweenOperationsAreComparedAndReplacedWithEveryThreadCount()
    {
        using var right = new ManagedBackend(2);
        using var variant = new BackendVariant("mine", new ManagedBackend(1),
            new FaultyBackend(right, new Fault(FaultKind.FactorOfTwo, FaultTarget.Output)));
        using IExecutable net = variant.Compile(Net, new TrainingSpec(2, new SoftmaxCrossEntropy(), new Sgd()));
        foreach (Parameter parameter in Net.Parameters)
            net.Write(parameter, Samples.ParameterValues(parameter, parameter.Index));
        List<string> shown = [];
        bool replaces = false;
        ((ITraces)net).Trace = tensor =>
        {
            shown.Add($"{tensor.Kind} of {tensor.Operation}");
            if (replaces)
                tensor.Values.Fill(3);
            return replaces;
        };

        net.Forward(Samples.Uniform(2 * Net.Input.Shape.Length, 1));
        Assert.That(shown, Is.EqualTo(new[] { "Output of conv1", "Output of relu1", "Output of flatten1",
            "Output of linear1" }), "those of one thread count");
        TensorReport[] wrong = [.. variant.TakeComparisons().Where(tensor => tensor.Verdict == Verdict.Fail)];
        Assert.That(wrong.Select(tensor => (tensor.Name, tensor.Failed)),
            Is.EqualTo(new[] { ("y of linear1, 2 threads", 2 * 3) }));

        replaces = true;
        net.Forward(Samples.Uniform(2 * Net.Input.Shape.Length, 1));
        variant.TakeComparisons();
        var output = new float[2 * 3];
        net.ReadOutput(output);
        Assert.That(output, Is.All.EqualTo(3f));
        Assert.That(variant.TakeComparisons().Single(tensor => tensor.Verdict == Verdict.Fail).Got, Is.EqualTo(6),
            "the replaced value with the fault");
        net.Loss((int[])[0, 2]);
        net.Backward();
        foreach (Parameter parameter in Net.Parameters)
            net.ReadGradient(parameter, new float[parameter.Length]);
        Assert.That(variant.TakeComparisons().Select(tensor => (tensor.Name, tensor.Failed)),
            Is.EqualTo(new[] { ("threads", 0) }), "all gradients are those of the replaced values");
    }

    [Test]
    public void AVariantTracesIfEveryThreadCountDoes()
    {
        using var variant = new BackendVariant("mine", new ManagedBackend(1), new Untraced(new ManagedBackend(2)));
        using IExecutable net = variant.CompileInference(Net, 1);
        Assert.That(net, Is.Not.InstanceOf<ITraces>());
    }

    [Test]
    public void AVariantIsOneBackendOrMore()
        => Assert.That(() => new BackendVariant("none"), Throws.ArgumentException.With.Message.Contains("none"));

    /// <summary>A backend whose executables do not trace.</summary>
    private sealed class Untraced(IBackend inner) : IBackend
    {
        private readonly BackendVariant _variant = new("untraced", inner);

        public BackendInfo Info => inner.Info;

        public IExecutable Compile(Graph graph, TrainingSpec spec)
            => new VariantExecutable(_variant, [inner.Compile(graph, spec)]);

        public IExecutable CompileInference(Graph graph, int batchSize)
            => new VariantExecutable(_variant, [inner.CompileInference(graph, batchSize)]);

        public void Dispose() => _variant.Dispose();
    }
}
