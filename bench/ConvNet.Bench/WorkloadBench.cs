using BenchmarkDotNet.Attributes;
using ConvNet.Backends;
using ConvNet.Measurement;
using ConvNet.Measurement.Workers;
using ConvNet.Models;

namespace ConvNet.Bench;

/// <summary>Benchmarks a workload of ConvNet.Measurement, each case in its own process.</summary>
public abstract class WorkloadBench
{
    private Measurement.Workers.Bench _bench = null!;
    private Workload _workload = null!;

    [Params("native", "torchsharp")]
    public string Backend { get; set; } = null!;

    /// <summary>The case to prepare.</summary>
    private protected abstract Case Case { get; }

    [GlobalSetup]
    public void Prepare()
    {
        Request request = Case.ToRequest(new BenchSettings { Backends = [Backend] }, AlgorithmNames.Auto);
        _bench = Measurement.Workers.Bench.Of(Backend, (model, input) => BuiltInModels.Create(model, input));
        _bench.Load(request);
        _workload = _bench.Create(request);
    }

    [Benchmark]
    public void Run() => _workload.Run();

    [GlobalCleanup]
    public void Free()
    {
        _workload.Dispose();
        _bench.Dispose();
    }
}

/// <summary>One pass of a layer.</summary>
public class LayerBench : WorkloadBench
{
    [Params("mb32ic64ih56oc64oh56kh3ph1", "mb32ic64ih56oc256oh56kh1ph0", "mb64ic4096oc4096")]
    public string Shape { get; set; } = null!;

    [Params("fwd", "bwd_d", "bwd_w")]
    public string Pass { get; set; } = null!;

    private protected override Case Case
        => Case.Of(LayerShape.Parse(Shape), BenchPasses.Parse(Pass), Environment.ProcessorCount);
}

/// <summary>One training step (forward, loss, backward, SGD with momentum) of a whole network.</summary>
[MemoryDiagnoser(displayGenColumns: false)]
public class TrainStepBench : WorkloadBench
{
    [Params("lenet5", "cifarnet", "resnet20")]
    public string Model { get; set; } = null!;

    [Params(1, 64)]
    public int Batch { get; set; }

    private protected override Case Case => Case.Of(Model, Batch, BenchPass.Train, Environment.ProcessorCount);
}

/// <summary>Inference of a batch.</summary>
[MemoryDiagnoser(displayGenColumns: false)]
public class InferenceBench : WorkloadBench
{
    [Params("lenet5", "cifarnet", "resnet20")]
    public string Model { get; set; } = null!;

    [Params(1, 32)]
    public int Batch { get; set; }

    private protected override Case Case => Case.Of(Model, Batch, BenchPass.Infer, Environment.ProcessorCount);
}
