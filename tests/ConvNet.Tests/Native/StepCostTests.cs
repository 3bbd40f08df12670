using System.Runtime.InteropServices;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>A step takes no memory: neither managed nor native.</summary>
[NonParallelizable]
public sealed partial class StepCostTests
{
    private const int Steps = 250;

    // The smallest chunk that malloc gives, with its header: a leak of one block per step takes at least as much.
    private const int SmallestBlock = 32;

    [Test]
    public void AThousandStepsAllocateNothing()
    {
        using var backend = new NativeBackend();
        Graph graph = EveryKindOfLayer();
        using NativePlan net =
            backend.Compile(graph, new TrainingSpec(2, new SoftmaxCrossEntropy(), new Sgd(0.9f, 1e-4f)));
        net.Initialize(new HeNormal(1));
        float[] images = NativeRun.Values(2 * graph.Input.Shape.Length, seed: 1), scores = new float[20];
        int[] labels = [3, 7];
        void Run()
        {
            for (int step = 0; step < Steps; step++)
            {
                net.TrainStep(images, labels, 0.001f);
                net.Infer(images, scores);
            }
        }
        Run();
        _ = NativeHeap();
        // The runtime's own threads take native memory now and then, as when they compile, and a collection can count
        // the rest of this thread's allocation buffer as allocated. A leak shows in every run.
        long leastNative = long.MaxValue, leastManaged = long.MaxValue;
        for (int run = 0; run < 4; run++)
        {
            long native = NativeHeap(), managed = GC.GetAllocatedBytesForCurrentThread();
            Run();
            leastManaged = Math.Min(leastManaged, GC.GetAllocatedBytesForCurrentThread() - managed);
            leastNative = Math.Min(leastNative, NativeHeap() - native);
        }
        Assert.That(leastManaged, Is.Zero);
        Assert.That(leastNative, Is.LessThan(Steps * SmallestBlock));
    }

    private static Graph EveryKindOfLayer()
    {
        var graph = new Graph(new Shape(1, 8, 8));
        Node x = graph.Append(graph.Input, new Conv2d(8, 3, padding: 1, bias: false), new BatchNorm2d(), new Relu());
        Node branch = graph.Append(x, new Conv2d(8, 3, padding: 1), new Relu(), new Dropout(0.25f));
        graph.Append(graph.Add(new Add(), branch, x), new Relu(), new MaxPool2d(2), new Conv2d(8, 3, groups: 8),
            new AvgPool2d(2), new Flatten(),
            new Linear(12), new Relu(), new Linear(10));
        return graph;
    }

    private static long NativeHeap()
    {
        if (!OperatingSystem.IsLinux())
            return 0;
        MallocInfo info = mallinfo2();
        return (long)(info.InUse + info.Mapped);
    }

    [LibraryImport("libc")]
    private static partial MallocInfo mallinfo2();

    private readonly record struct MallocInfo(nuint Arena, nuint FreeChunks, nuint FastBins, nuint MappedRegions,
        nuint Mapped, nuint MostInUse,
        nuint FastBinBytes, nuint InUse, nuint Free, nuint Trimmable);
}
