using BenchmarkDotNet.Running;

namespace ConvNet.Bench;

internal static class Program
{
    // dotnet run -c Release --project bench/ConvNet.Bench -- --filter '*'
    private static void Main(string[] args) => BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
}
