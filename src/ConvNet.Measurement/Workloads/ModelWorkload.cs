using System.Diagnostics;
using ConvNet.Backends;
using ConvNet.Profiling;

namespace ConvNet.Measurement;

/// <summary>A training step or an inference of a network through the public API: images in, loss or scores
/// out.</summary>
/// <remarks>Uses SGD with momentum and does not keep gradients. The learning rate is so small that the weights hardly
/// change: a network that memorises its only batch ends up with subnormal gradients, which are many times slower to
/// compute with.</remarks>
internal sealed class ModelWorkload : Workload
{
    private const float LearningRate = 1e-20f, Momentum = 0.9f;
    private const int MinCalls = 3;

    private readonly string _backend;
    private readonly IExecutable _network;
    private readonly Graph _graph;
    private readonly bool _training;
    private readonly float[] _images, _scores;
    private readonly int[] _labels;

    public ModelWorkload(IBackend backend, Graph graph, int batch, BenchPass pass)
    {
        if (pass.IsLayerPass())
            throw new ArgumentException($"{pass.Word()} is a layer pass; networks support {BenchPass.Train.Word()} "
                + $"and {BenchPass.Infer.Word()}.");
        _backend = backend.Info.Name;
        _training = pass == BenchPass.Train;
        _graph = graph;
        Shape output = graph.Output.Shape;
        var loss = new SoftmaxCrossEntropy(PerPixel: output.Area > 1);
        long start = Stopwatch.GetTimestamp();
        _network = _training
            ? backend.Compile(graph, new TrainingSpec(batch, loss, new Sgd(Momentum)) { KeepGradients = false })
            : backend.CompileInference(graph, batch);
        CompileMs = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        _network.Initialize(new HeNormal(Seed: 1));
        Images = batch;
        _images = RandomValues.Make((long)batch * graph.Input.Shape.Length);
        _scores = new float[batch * output.Length];
        _labels = RandomValues.Labels(batch * loss.TargetsPerSample(output), output.C);
    }

    /// <summary>Operations of all layers with multiply-adds: the forward pass and, in training, the gradients of
    /// weights and inputs. The gradient of the images is not computed.</summary>
    public override double Operations => 2.0 * Images * _graph.LayerNodes.Sum(MultiplyAdds);

    public override int Images { get; }

    public override double CompileMs { get; }

    /// <summary>All algorithms that its convolutions use, or <c>auto</c> if the backend does not report them.</summary>
    public override string Algorithm => _network is not IDeclaresAlgorithms declaring ? AlgorithmNames.Auto
        : string.Join('+',
        from algorithm in _graph.Nodes.Where(node => node.Layer?.Accuracy == Accuracy.Sums)
            .SelectMany(node => Passes.Select(pass => declaring.AlgorithmOf(node, pass))).Distinct().Order()
        select algorithm.Word());

    public override void Run()
    {
        if (_training)
            _network.TrainStep(_images, _labels, LearningRate);
        else
            _network.Infer(_images, _scores);
    }

    public override NetworkProfile Profile(double milliseconds, int spans)
    {
        if (_network is not IProfiles profiles)
            throw new NotSupportedException($"{_backend} does not support profiling; {Profiles.Backends} do.");
        // The first recorded call includes JIT compilation.
        using (profiles.Record())
            Run();
        using Recording recording = profiles.Record();
        long start = Stopwatch.GetTimestamp();
        for (int calls = 0; calls < MinCalls || Stopwatch.GetElapsedTime(start).TotalMilliseconds < milliseconds;
            calls++)
            recording.Call(Run);
        return recording.Profile(spans);
    }

    protected override void Dispose(bool disposing) => _network.Dispose();

    private IEnumerable<SumPass> Passes => _training ? Enum.GetValues<SumPass>() : [SumPass.Forward];

    private double MultiplyAdds(Node node)
    {
        double forward = node.Layer!.MultiplyAdds([.. node.InputShapes]);
        bool first = node.Inputs.Contains(_graph.Input);
        return !_training ? forward : first ? 2 * forward : 3 * forward;
    }
}
