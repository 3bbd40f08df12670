using BenchmarkDotNet.Attributes;
using ConvNet.Models;

namespace ConvNet.Bench;

/// <summary>One training step (forward, loss, backward, SGD with momentum) of a whole network, backend beside backend.</summary>
/// <remarks>Each case runs in a process of its own, so that two OpenMP runtimes do not disturb each other.</remarks>
[MemoryDiagnoser(displayGenColumns: false)]
public class TrainStepBench
{
    private IBackend _backend = null!;
    private IExecutable _net = null!;
    private float[] _images = null!;
    private int[] _labels = null!;

    [Params("native", "torchsharp", "managed")]
    public string Backend { get; set; } = null!;

    [Params("lenet5:64", "lenet5:1")]
    public string ModelAndBatch { get; set; } = null!;

    [GlobalSetup]
    public void Compile()
    {
        string[] parts = ModelAndBatch.Split(':');
        Graph graph = BuiltInModels.Create(parts[0]);
        int batch = int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture);
        _backend = Backend switch
        {
            "native" => new NativeBackend(),
            "torchsharp" => new TorchSharpBackend(),
            _ => new ManagedBackend(),
        };
        _net = _backend.Compile(graph, new TrainingSpec(batch, new SoftmaxCrossEntropy(), new Sgd(momentum: 0.9f)));
        _net.Initialize(new HeNormal(Seed: 1));
        var random = new Random(1);
        _images = [.. Enumerable.Range(0, batch * graph.Input.Shape.Length).Select(_ => random.NextSingle() - 0.5f)];
        _labels = [.. Enumerable.Range(0, batch).Select(_ => random.Next(graph.Output.Shape.Length))];
    }

    [Benchmark]
    public double TrainStep() => _net.TrainStep(_images, _labels, learningRate: 1e-6f);

    [GlobalCleanup]
    public void Dispose()
    {
        _net.Dispose();
        _backend.Dispose();
    }
}
