using ConvNet.Measurement.Workers;

namespace ConvNet.Bench;

internal static class Program
{
    internal const string Direct = "direct", Worker = "worker";

    // dotnet run -c Release --project bench/ConvNet.Bench -- --filter '*'
    // dotnet run -c Release --project bench/ConvNet.Bench -- direct
    private static int Main(string[] args)
    {
#if TORCH
        switch (args)
        {
            case [Direct]:
                Torch.DirectRun.Print();
                return 0;
            case [Worker, string backend]:
                Torch.DirectRun.Serve(backend);
                return 0;
        }
#endif
        // BenchmarkDotNet runs every benchmark in its own process, which inherits this environment.
        WorkerEnvironment.PassOn();
        return ResultFiles.Run(args);
    }
}
