using System.Diagnostics;
using ConvNet.Profiling;

namespace ConvNet.Measurement;

/// <summary>A training step or an inference of a network, as a user of the library calls it: images in, loss or scores
/// out.</summary>
/// <remarks>SGD with momentum; the gradients are not kept. The learning rate is so small that the values stay what they
/// are: a network that learns its one batch by heart ends with gradients that are subnormal, and their arithmetic is
/// many times slower.</remarks>
internal sealed class ModelWorkload : Workload
{
    private const float LearningRate = 1e-20f, Momentum = 0.9f;
    private const int FewestCalls = 3;

    private readonly string _backend;
    private readonly IExecutable _network;
    private readonly Graph _graph;
    private readonly bool _training;
    private readonly float[] _images, _scores;
    private readonly int[] _labels;

    public ModelWorkload(IBackend backend, Graph graph, int batch, BenchPass pass)
    {
        if (pass.IsOfLayer())
            throw new ArgumentException($"{pass.Word()} is a pass of a layer; a network has {BenchPass.Train.Word()} "
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

    /// <summary>Multiply-adds of the layers that have them: forward, and in training two gradients of each, but for the
    /// images'.</summary>
    public override double Operations => 2.0 * Images * _graph.Nodes.Skip(1).Sum(MultiplyAdds);

    public override int Images { get; }

    public override double CompileMs { get; }

    /// <summary>All that its convolutions take; <c>auto</c> where the backend does not tell.</summary>
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
            throw new NotSupportedException($"{_backend} does not tell where its time goes: {Profiles.Backends} do.");
        // The first calls of what records are compiled.
        using (profiles.Record())
            Run();
        using Recording recording = profiles.Record();
        long start = Stopwatch.GetTimestamp();
        for (int calls = 0; calls < FewestCalls || Stopwatch.GetElapsedTime(start).TotalMilliseconds < milliseconds;
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
