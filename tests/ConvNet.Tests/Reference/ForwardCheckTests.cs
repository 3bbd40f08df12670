using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>The check of a backend that computes forward passes only.</summary>
public sealed class ForwardCheckTests
{
    [Test]
    public void ARightBackendPassesInEveryForwardMode()
    {
        using var forward = new ForwardBackend();
        GradientReport report = GradientCheck.Run(Network(), [forward], new GradientCheckOptions { BatchSize = 3 });
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Pass), $"{report}");
        foreach (CheckModes mode in (CheckModes[])[CheckModes.Exact, CheckModes.Real, CheckModes.Segments,
            CheckModes.EndToEnd])
        {
            Assert.That(report.Layers.Where(layer => layer.Mode == mode), Is.Not.Empty, $"{mode}");
            Assert.That(report.Layers.Where(layer => layer.Mode == mode).Sum(layer => layer.Tensors.Sum(t
                => t.Elements)), Is.GreaterThanOrEqualTo(30), $"{mode}");
        }
        Assert.That(report.Layers.Where(layer => layer.Mode == CheckModes.Real).Select(layer => layer.Layer),
            Is.EqualTo(Network().LayerNodes.Select(node => node.Name)), "no layer is left out");
        Assert.That(report.Layers.SelectMany(layer => layer.Tensors).Select(tensor => tensor.Name[0]).Distinct(),
            Is.EquivalentTo("yo"), "outputs");
        Assert.That($"{report}", Does.Contain("forward only: of forward/managed, the outputs of inference"));
    }

    [Test]
    public void TheOthersAreCheckedAsUsual()
    {
        using var forward = new ForwardBackend();
        using var managed = new ManagedBackend();
        var options = new GradientCheckOptions { BatchSize = 2 };
        GradientReport alone = GradientCheck.Run(Network(), [managed], options),
            both = GradientCheck.Run(Network(), [forward, managed], options);
        string name = alone.Layers[0].Backend;
        Assert.That(both.Layers.Where(layer => layer.Backend == name).Select(layer => $"{layer}"),
            Is.EqualTo(alone.Layers.Where(layer => layer.Backend == name).Select(layer => $"{layer}")));
        Assert.That(both.Checked, Is.GreaterThan(alone.Checked));
        Assert.That(alone.ForwardOnly, Is.Null);
    }

    [Test]
    public void AFaultIsFound([Values] ForwardFault fault)
    {
        using var forward = new ForwardBackend(fault);
        GradientReport report = GradientCheck.Run(Network(), [forward], new GradientCheckOptions { BatchSize = 3 });
        Assert.That(report.Verdict, Is.EqualTo(Verdict.Fail));
        CheckModes[] modes = [.. report.Layers.Where(layer => layer.Verdict == Verdict.Fail)
            .Select(layer => layer.Mode).Distinct()];
        if (fault == ForwardFault.LastValueOfSeveralLayers)
            Assert.That(modes, Is.EquivalentTo((CheckModes[])[CheckModes.Segments, CheckModes.EndToEnd]));
        else
            Assert.That(modes, Does.Contain(CheckModes.Exact).And.Contain(CheckModes.Real));
        Assert.That(() => report.ThrowIfFailed(), Throws.TypeOf<GradientCheckException>());
    }

    [Test]
    public void ALayerAloneRunsAsInInference()
    {
        using var forward = new ForwardBackend();
        foreach (Layer layer in (Layer[])[new Dropout(0.3f), new BatchNorm2d()])
        {
            GradientReport report = GradientCheck.Run(layer, [new Shape(3, 5, 7)], [forward]);
            Assert.That(report.Verdict, Is.EqualTo(Verdict.Pass), $"{report}");
            Assert.That(report.Checked, Is.GreaterThanOrEqualTo(4 * 105));
        }
    }

    private static Graph Network() => Sequential.Of(new Shape(3, 8, 8), new Conv2d(6, 3, padding: 1), new Relu(),
        new MaxPool2d(2), new BatchNorm2d(), new Dropout(0.5f), new Conv2d(4, 3), new Relu(), new Flatten(),
        new Linear(10));
}

/// <summary>What a <see cref="ForwardBackend"/> computes wrong.</summary>
public enum ForwardFault
{
    /// <summary>The last value of every output is too large.</summary>
    LastValue,

    /// <summary>As before, but of graphs of several layers only.</summary>
    LastValueOfSeveralLayers,

    /// <summary>The output is that of the first batch.</summary>
    FirstBatch,

    /// <summary>The parameters are those written first.</summary>
    FirstParameters,
}

/// <summary>The managed backend without training.</summary>
/// <param name="fault">What it computes wrong; null for nothing.</param>
internal sealed class ForwardBackend(ForwardFault? fault = null) : IBackend
{
    private readonly ManagedBackend _managed = new();

    public BackendInfo Info => new("forward", "1", "managed", 1, null) { InferenceOnly = true };

    public IExecutable Compile(Graph graph, TrainingSpec spec) => throw new NotSupportedException();

    public IExecutable CompileInference(Graph graph, int batchSize)
        => new ForwardExecutable(_managed.CompileInference(graph, batchSize), fault);

    public void Dispose() => _managed.Dispose();

    private sealed class ForwardExecutable(IExecutable managed, ForwardFault? fault)
        : InferenceExecutable(managed.Graph, managed.BatchSize, () => false)
    {
        private float[][]? _first;
        private bool _written;

        protected override void InferCore(BatchValues input, int n, BatchBuffers output)
        {
            foreach (Parameter parameter in Graph.Parameters.Where(_ => !_written))
                managed.Write(parameter, ValuesOf(parameter));
            _written = fault == ForwardFault.FirstParameters;
            float[][] y = [.. Graph.Outputs.Select(node => new float[n * node.Shape.Length])];
            managed.Infer(input, BatchBuffers.InOrder(y));
            _first ??= y;
            for (int i = 0; i < y.Length; i++)
            {
                if (fault == ForwardFault.LastValue
                    || (fault == ForwardFault.LastValueOfSeveralLayers && Graph.LayerNodes.Count() > 1))
                    y[i][^1] = 1.01f * y[i][^1] + 0.01f;
                float[] given = fault == ForwardFault.FirstBatch ? _first[i] : y[i];
                given.AsSpan(0, output[i].Length).CopyTo(output[i]);
            }
        }

        protected override void Dispose(bool disposing)
        {
            managed.Dispose();
            base.Dispose(disposing);
        }
    }
}
