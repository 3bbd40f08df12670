using System.Runtime.InteropServices;
using NUnit.Framework;

namespace ConvNet.Tests.Torch;

/// <summary>Memory of torch while a network trains: nothing is left for a collection to free.</summary>
[TestFixture]
public sealed partial class TorchMemoryTests
{
    private const int Batch = 16;

    private static IEnumerable<TrainingSpec> Specs =>
    [
        new(Batch, new SoftmaxCrossEntropy(), new Sgd(momentum: 0.9f, weightDecay: 1e-4f)) { InputGradient = true },
        new(Batch, new MulticlassSvm(), new Sgd()),
        new(Batch, new SoftmaxCrossEntropy(), new Adam()),
        new(Batch, new SoftmaxCrossEntropy(), new AdamW()) { KeepGradients = false },
    ];

    [Test]
    public void AStepLeavesNothingToTheGarbageCollector([ValueSource(nameof(Specs))] TrainingSpec spec,
        [Values] ChannelPadding padding)
    {
        const int Steps = 30;
        using var backend = new TorchSharpBackend(threads: 1, padding: padding);
        using IExecutable net = Train(backend, spec);
        net.TrainStep(Images, Labels, 1e-3f);
        for (int i = 0; i < 2; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        for (int step = 0; step < Steps; step++)
            net.TrainStep(Images, Labels, 1e-3f);
        GC.Collect();
        // One for each group and step is the list in which TorchSharp passes the arguments of a script, empty by then.
        Assert.That(GC.GetGCMemoryInfo().FinalizationPendingCount, Is.LessThan(3 * Steps));
    }

    [Test]
    [Platform("Linux")]
    public void TheHeapOfTheCLibraryStaysAsItIs([ValueSource(nameof(Specs))] TrainingSpec spec)
    {
        using var backend = new TorchSharpBackend(threads: 1);
        using IExecutable net = Train(backend, spec);
        long before = 0;
        for (int step = 0; step < 200; step++)
        {
            if (step == 50)
                before = HeapBytes();
            net.TrainStep(Images, Labels, 1e-3f);
        }
        Assert.That(HeapBytes(), Is.LessThan(1.05 * before));
    }

    [Test]
    public void TensorsStayAsManyAsTheyWere([ValueSource(nameof(Specs))] TrainingSpec spec)
    {
        using var backend = new TorchSharpBackend(threads: 1);
        using IExecutable net = Train(backend, spec);
        var scores = new float[Batch * 10];
        long after = 0;
        for (int step = 0; step < 20; step++)
        {
            net.TrainStep(Images, Labels, 1e-3f);
            net.Infer(Images, scores);
            if (step == 0)
                after = TorchSharp.torch.Tensor.TotalCount;
        }
        Assert.That(TorchSharp.torch.Tensor.TotalCount, Is.EqualTo(after));
    }

    private static float[] Images { get; } = [.. Enumerable.Range(0, Batch * 3 * 16 * 16).Select(i => i % 7 - 3f)];

    private static int[] Labels { get; } = [.. Enumerable.Range(0, Batch).Select(i => i % 10)];

    // Everything that is lowered, with sums and enough channels for channels last.
    private static IExecutable Train(TorchSharpBackend backend, TrainingSpec spec)
    {
        var graph = new Graph(new Shape(3, 16, 16));
        Node x = graph.Add("conv1", new Conv2d(20, 3, padding: 1), graph.Input);
        for (int block = 1; block <= 4; block++)
        {
            Node y = graph.Add($"block{block}.conv", new Conv2d(20, 3, padding: 1), x);
            y = graph.Add($"block{block}.norm", new BatchNorm2d(), y);
            x = graph.Add($"block{block}.relu", new Relu(), graph.Add($"block{block}.add", new Add(), x, y));
        }
        x = graph.Add("pool", new MaxPool2d(2), graph.Add("average", new AvgPool2d(2), x));
        x = graph.Add("dropout", new Dropout(0.25f), x);
        graph.Add("linear", new Linear(10), graph.Add("flatten", new Flatten(), x));
        IExecutable net = backend.Compile(graph, spec);
        net.Initialize(new HeNormal(1));
        return net;
    }

    // What the C library has from the system, in use or not.
    private static long HeapBytes()
    {
        Mallinfo info = mallinfo2();
        return (long)info.Arena + (long)info.Mapped;
    }

    [LibraryImport("libc.so.6")]
    private static partial Mallinfo mallinfo2();

    // malloc.h; the names that are not used are the C library's.
    private readonly record struct Mallinfo(nuint Arena, nuint Ordblks, nuint Smblks, nuint Hblks, nuint Mapped,
        nuint Usmblks, nuint Fsmblks,
        nuint Uordblks, nuint Fordblks, nuint Keepcost);
}
