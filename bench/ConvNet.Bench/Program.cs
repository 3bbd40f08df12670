using BenchmarkDotNet.Running;
using ConvNet.Measurement.Workers;

namespace ConvNet.Bench;

internal static class Program
{
    internal const string Direct = "direct", Worker = "worker";

    // dotnet run -c Release --project bench/ConvNet.Bench -- --filter '*'
    // dotnet run -c Release --project bench/ConvNet.Bench -- direct
    private static void Main(string[] args)
    {
#if TORCH
        switch (args)
        {
            case [Direct]:
                Torch.DirectRun.Print();
                return;
            case [Worker, string backend]:
                Torch.DirectRun.Serve(backend);
                return;
        }
#endif
        // Every benchmark runs in a process of its own.
        WorkerEnvironment.PassOn();
        BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
    }
}
