using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>Training over many steps is repeatable, and its memory bounded.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class TrainingContract(BackendCase backend)
{
    [Test]
    public void TheSameSeedGivesTheSameBitsOnEveryRunAndNumberOfThreads()
    {
        float[] expected = Train(threads: 1);
        // libtorch promises equal bits from run to run only, for one number of threads.
        foreach (int threads in backend.Deterministic ? (int[])[1, 2, 3, 5, 8] : [1])
            Assert.That(Train(threads), Is.EqualTo(expected), $"{threads} threads");
    }

    [Test]
    public void MemoryStaysFlat()
    {
        const int Warm = 1_000, Steps = 9_000, Windows = 3;
        using IBackend opened = backend.Open(threads: 1);
        Graph graph = Sequential.Of(new Shape(1, 4, 4), new Conv2d(2, 3, padding: 1), new Relu(), new MaxPool2d(2),
            new Flatten(), new Linear(2));
        using IExecutable executable =
            opened.Compile(graph, new TrainingSpec(2, new SoftmaxCrossEntropy(), new Sgd(momentum: 0.9f)));
        executable.Initialize(new HeNormal(1));
        float[] images = Samples.Uniform(2 * 16, 1);
        int[] labels = [0, 1];
        Train(Warm);
        // The runtime maps memory of its own now and then, once: code that it compiles anew, regions of its heap. A
        // leak is in every window.
        var growth = new List<long>();
        while (growth.Count < Windows && (growth.Count == 0 || growth[^1] >= 1 << 20))
        {
            long before = ResidentBytes();
            Train(Steps);
            growth.Add(ResidentBytes() - before);
        }
        Assert.That(growth.Min(), Is.LessThan(1 << 20), $"bytes per {Steps:N0} steps: {string.Join(", ", growth)}");

        void Train(int steps)
        {
            for (int step = 0; step < steps; step++)
                executable.TrainStep(images, labels, 0.01f);
        }
    }

    [Test]
    public void AFixedEdgeDetectorIsLearned()
    {
        // What a Sobel filter makes of random images is the target; the one filter of the net must become that filter.
        float[] sobel = [-1, 0, 1, -2, 0, 2, -1, 0, 1];
        using IBackend opened = backend.Open();
        using var teacherBackend = new ManagedBackend();
        Graph graph = Sequential.Of(new Shape(1, 8, 8), new Conv2d(1, 3));
        using IExecutable student =
            opened.Compile(graph, new TrainingSpec(8, new MeanSquaredError(), new Sgd(momentum: 0.9f)));
        using IExecutable teacher = teacherBackend.CompileInference(graph, 8);
        teacher.Write(graph.Parameters[0], sobel);
        teacher.Write(graph.Parameters[1], [0]);
        student.Initialize(new HeNormal(2));
        var targets = new float[8 * graph.Output.Shape.Length];
        for (int step = 0; step < 300; step++)
        {
            float[] images = Samples.Uniform(8 * 64, step);
            teacher.Infer(images, targets);
            student.TrainStep(images, targets, 0.05f);
        }
        Assert.That(student.Read(graph.Parameters[0]), Is.EqualTo(sobel).Within(1e-3));
        Assert.That(student.Read(graph.Parameters[1]), Is.EqualTo(new float[] { 0 }).Within(1e-3));
    }

    private float[] Train(int threads)
    {
        using IBackend opened = backend.Open(threads);
        using IExecutable executable = opened.Compile(Residual(),
            new TrainingSpec(7, new SoftmaxCrossEntropy(), new Sgd(momentum: 0.9f)) { Seed = 3 });
        executable.Initialize(new HeNormal(4));
        for (int step = 0; step < 3; step++)
            executable.TrainStep(Samples.Uniform((7 - step) * executable.Graph.Input.Shape.Length, step),
                Samples.Labels(7 - step, 5, step), 0.05f);
        return [.. executable.Graph.Parameters.SelectMany(p => executable.Read(p))];
    }

    /// <summary>A residual network with batch normalisation and dropout.</summary>
    internal static Graph Residual()
    {
        var graph = new Graph(new Shape(3, 5, 7));
        Node x = graph.Append(graph.Input, new Conv2d(9, 3, padding: 1), new BatchNorm2d(), new Relu());
        Node branch = graph.Append(x, new Conv2d(9, 3, padding: 1, bias: false), new BatchNorm2d());
        x = graph.Add(new Relu(), graph.Add(new Add(), branch, x));
        graph.Append(x, new Dropout(0.1f), new AvgPool2d((5, 7)), new Flatten(), new Linear(5));
        return graph;
    }

    private static long ResidentBytes()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }
        return Environment.WorkingSet;
    }
}
