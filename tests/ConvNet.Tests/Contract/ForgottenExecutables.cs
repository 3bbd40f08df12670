using System.Diagnostics;

namespace ConvNet.Tests.Contract;

/// <summary>A program that forgets to dispose its executables.</summary>
internal static class ForgottenExecutables
{
    private const int Executables = 200, Batch = 8, Blocks = 8;

    // Small images, so that the batches of them ask for no collection, and large maps behind them.
    private static readonly Shape Input = new(1, 16, 16), Maps = new(64, 16, 16);

    /// <summary>Compiles many networks and forgets them.</summary>
    /// <exception cref="InsufficientMemoryException">A third of their memory was in use at a time.</exception>
    public static void Forget(string name)
    {
        using IBackend backend = Backends.All.Single(each => each.Name == name).Open(1);
        long before = ResidentBytes(), most = 0;
        for (int i = 0; i < Executables; i++)
        {
            Forget(backend);
            // What a collection has found is freed on a thread that a busy machine may keep waiting.
            GC.WaitForPendingFinalizers();
            most = Math.Max(most, ResidentBytes() - before);
        }
        // Of each at least the outputs of the blocks, which a backward pass would read.
        long all = (long)Executables * Blocks * Batch * Maps.Length * sizeof(float);
        string grown = $"{name}: at most {most:N0} of {all:N0} bytes";
        Console.WriteLine(most < all / 3 ? grown : throw new InsufficientMemoryException(grown));
    }

    private static void Forget(IBackend backend)
    {
        var graph = new Graph(Input);
        Node x = graph.Add("conv", new Conv2d(Maps.C, 1), graph.Input);
        for (int block = 1; block <= Blocks; block++)
            x = graph.Add($"pool{block}", new AvgPool2d(3, stride: 1, padding: 1),
                graph.Add($"norm{block}", new BatchNorm2d(), x));
        graph.Add("linear", new Linear(2), graph.Add("global", new GlobalAvgPool2d(), x));
        IExecutable executable =
            backend.Compile(graph, new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Sgd(momentum: 0.9f)));
        executable.Initialize(new HeNormal(1));
        executable.Forward(new float[Batch * Input.Length]);
    }

    private static long ResidentBytes()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
