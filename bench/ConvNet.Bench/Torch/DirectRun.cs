using System.Diagnostics;
using ConvNet.Measurement;
using ConvNet.Measurement.Workers;
using ConvNet.Models;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace ConvNet.Bench.Torch;

/// <summary>Compares the torchsharp backend with the same networks written directly in TorchSharp.</summary>
internal static class DirectRun
{
    public static void Print()
    {
        int threads = Environment.ProcessorCount;
        List<Case> cases = [.. from model in (string[])["lenet5", "cifarnet", "resnet20"]
                               from batch in (int[])[1, 64]
                               from pass in (BenchPass[])[BenchPass.Train, BenchPass.Infer]
                               select Case.Of(model, batch, pass, threads)];
        var settings = new BenchSettings { Backends = ["torchsharp", Program.Direct], TurnMilliseconds = 200 };
        var clock = Stopwatch.StartNew();
        BenchResult result = BenchRun.Measure(cases, settings, Start, () => clock.Elapsed, Console.Error.WriteLine);
        Console.WriteLine(MarkdownReport.Of(result, SourceCommit.Of(AppContext.BaseDirectory),
            "dotnet run -c Release --project bench/ConvNet.Bench -- direct"));
    }

    /// <summary>Runs a worker. <see cref="Print"/> starts this program again as a worker.</summary>
    public static void Serve(string backend) => WorkerLoop.Serve(
        backend == Program.Direct ? new DirectBench() : Measurement.Workers.Bench.Of(backend, (model, input)
            => BuiltInModels.Create(model, input)), Console.In, Console.Out);

    private static WorkerProcess Start(string backend)
        => new(backend, ["dotnet", "exec", typeof(DirectRun).Assembly.Location, Program.Worker, backend]);

    /// <summary>A bench for the direct networks. It loads the backend for its allocator settings.</summary>
    private sealed class DirectBench() : TorchSharpBench((model, input) => BuiltInModels.Create(model, input))
    {
        public override Workload Create(Request request)
        {
            set_num_threads(request.Threads);
            return new DirectStep(request.Model!, request.Batch, BenchPasses.Parse(request.Pass!));
        }
    }

    /// <summary>A training step or an inference that copies images and labels in, as the backend does.</summary>
    private sealed class DirectStep : Workload
    {
        private readonly DirectNetwork _network;
        private readonly bool _training;
        private readonly float[] _images;
        private readonly long[] _size;
        private readonly int[] _labels;
        private readonly HostBuffer<float> _x;
        private readonly HostBuffer<long> _y;
        private readonly optim.Optimizer _sgd;

        public DirectStep(string model, int batch, BenchPass pass)
        {
            Shape input = BuiltInModels.InputOf(model);
            (Images, _training, _size) = (batch, pass == BenchPass.Train, [batch, input.C, input.H, input.W]);
            _network = DirectNetwork.Of(model);
            _sgd = optim.SGD(_network.Parameters.ToArray(), 1e-20, 0.9);
            _images = RandomValues.Make((long)batch * input.Length);
            _labels = RandomValues.Labels(batch, 10);
            (_x, _y) = (new(_images.Length, ScalarType.Float32), new(batch, ScalarType.Int64));
        }

        public override double Operations => 0;

        public override int Images { get; }

        public override string Algorithm => "auto";

        public override void Run()
        {
            using DisposeScope scope = NewDisposeScope();
            _images.CopyTo(_x.Values);
            Tensor x = _x.First(_images.Length).reshape(_size);
            if (!_training)
            {
                using IDisposable noGrad = no_grad();
                _network.Forward(x, training: false);
                return;
            }
            for (int i = 0; i < _labels.Length; i++)
                _y.Values[i] = _labels[i];
            Tensor loss = functional.cross_entropy(_network.Forward(x, training: true), _y.First(_labels.Length));
            foreach (Tensor parameter in _network.Parameters)
                parameter.grad = null;
            loss.backward();
            _sgd.step();
            loss.item<float>();
        }

        protected override void Dispose(bool disposing)
        {
            _sgd.Dispose();
            _network.Dispose();
            _x.Dispose();
            _y.Dispose();
        }
    }
}
