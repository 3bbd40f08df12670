using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>Graphs that put layouts, layers of the user's own and several readers together in ways that networks seldom
/// do.</summary>
/// <remarks>All values are small whole numbers, so every order of a sum gives the same bits, those of the managed
/// backend.</remarks>
public sealed class OddGraphTests
{
    // Whole numbers up to here, and so their sums in any order, are exact in float.
    private const float LargestExact = 1 << 24;

    private static IEnumerable<GraphCase> Cases =>
    [
        GraphCases.Chain("flatten alone", 2, new(3, 2, 2), new Flatten()),
        GraphCases.Chain("relu alone", 2, new(3, 2, 2), new Relu()),
        GraphCases.Chain("conv on flattened images", 2, new(3, 4, 2), new Flatten(), new Conv2d(5, 1)),
        GraphCases.Chain("conv on flattened images of few values", 2, new(1, 3, 2), new Flatten(), new Conv2d(5, 1)),
        GraphCases.Chain("conv on flattened maps", 2, new(3, 4, 4), new Conv2d(17, 3), new Flatten(), new Conv2d(6, 1),
            new Relu()),
        GraphCases.Chain("relu on flattened maps", 2, new(3, 4, 4), new Conv2d(17, 3), new Flatten(), new Relu(),
            new Linear(3)),
        GraphCases.Chain("flatten twice", 2, new(3, 4, 4), new Conv2d(5, 3), new Flatten(), new Flatten(),
            new Linear(3)),
        GraphCases.Chain("flattened maps as output", 2, new(3, 4, 4), new Conv2d(5, 3), new Flatten()),
        GraphCases.Chain("maps as output", 2, new(3, 4, 4), new Conv2d(5, 3, padding: 1)),
        GraphCases.Chain("own layer first", 2, new(3, 4, 4), new Stretch(), new Conv2d(5, 3, padding: 1)),
        GraphCases.Chain("own layer last", 2, new(3, 4, 4), new Conv2d(5, 3, padding: 1), new Stretch()),
        GraphCases.Chain("own layer alone", 2, new(3, 4, 4), new Stretch()),
        GraphCases.Chain("own layer between maps", 2, new(3, 6, 6), new Conv2d(17, 3, padding: 1), new Relu(),
            new Stretch(), new MaxPool2d(2), new Conv2d(3, 3)),
        GraphCases.Chain("own layer between linear", 2, new(3, 4, 4), new Flatten(), new Linear(9), new Stretch(),
            new Linear(4)),
        GraphCases.Chain("own layer on flattened maps", 2, new(3, 4, 4), new Conv2d(18, 3), new Flatten(),
            new Stretch(), new Linear(4)),
        GraphCases.Chain("relu behind own layer", 2, new(3, 4, 4), new Stretch(), new Relu(), new Stretch()),
        GraphCases.Chain("own layers in a row", 2, new(3, 4, 4), new Stretch(), new Stretch(), new Flatten(),
            new Linear(4)),
        GraphCases.Chain("overlapping pools over relu", 2, new(3, 7, 7), new Conv2d(17, 3, padding: 1), new Relu(),
            new MaxPool2d(3, 2, 1), new MaxPool2d(2, 1), new Conv2d(3, 3)),
        new("flattened maps plus features", 2, FlattenedMapsPlusFeatures),
        new("own layer reads a node twice", 2, OwnLayerReadsTwice),
        new("own layer and conv read relu of images", 2, OwnLayerAndConvReadRelu),
        new("images read in every layout", 2, ImagesInEveryLayout),
        new("sums of sums under relu", 2, SumsOfSums),
        new("the same node three times", 2, ThreeTimes),
        new("a relu that is both output of one and input of many", 2, ReluReadByMany),
    ];

    [TestCaseSource(nameof(Cases))]
    public void GivesTheBitsOfTheManagedBackend(GraphCase graph)
    {
        Graph built = graph.Build();
        using var managed = new ManagedBackend();
        int[] expected = Outcome(built, graph.N, managed);
        foreach (bool fuse in (bool[])[true, false])
        {
            using var native = new NativeBackend(precision: Precision.Accurate) { Fuse = fuse };
            Assert.That(Outcome(built, graph.N, native), Is.EqualTo(expected), $"fuse: {fuse}");
        }
    }

    private static int[] Outcome(Graph graph, int n, IBackend backend)
    {
        var results = new List<float>();
        using IExecutable net =
            backend.Compile(graph, new TrainingSpec(n, new MeanSquaredError(), new Sgd(0.5f)) { InputGradient = true });
        if (net is NativePlan plan)
            plan.PoisonArena = true;
        foreach (Parameter parameter in graph.Parameters)
            net.Write(parameter, Whole(parameter.Length, seed: parameter.Name.Length));
        float[] images = Whole(n * graph.Input.Shape.Length, seed: 1),
            scores = new float[n * graph.Output.Shape.Length];
        net.Forward(images);
        net.ReadOutput(scores);
        results.AddRange(scores);
        net.Infer(images, scores);      // leaves the pass under way alone
        results.AddRange(scores);
        net.Backward(Whole(scores.Length, seed: 2));
        float[] gradient = new float[images.Length];
        net.ReadInputGradient(gradient);
        results.AddRange(gradient);
        net.Forward(images);
        net.Backward(Whole(scores.Length, seed: 3), accumulate: true);
        foreach (Parameter parameter in graph.Parameters.Where(parameter => parameter.Trainable))
        {
            float[] values = new float[parameter.Length];
            net.ReadGradient(parameter, values);
            results.AddRange(values);
        }
        using IExecutable inference = backend.CompileInference(graph, n);
        net.CopyParametersTo(inference);
        inference.Infer(images, scores);
        results.AddRange(scores);
        net.Step(0.25f);
        foreach (Parameter parameter in graph.Parameters)
        {
            float[] values = new float[parameter.Length];
            net.Read(parameter, values);
            results.AddRange(values);
        }
        Assert.That(results, Has.All.InRange(-LargestExact, LargestExact));
        return [.. results.Select(value => BitConverter.SingleToInt32Bits(value == 0 ? 0 : value))];
    }

    private static float[] Whole(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)random.Next(-2, 3))];
    }

    private static Graph FlattenedMapsPlusFeatures()
    {
        var graph = new Graph(new Shape(3, 4, 4));
        Node maps = graph.Append(graph.Input, new Conv2d(17, 3), new Flatten());
        Node features = graph.Append(graph.Input, new Flatten(), new Linear(17 * 4));
        graph.Append(graph.Add(new Add(), maps, features), new Relu(), new Linear(3));
        return graph;
    }

    private static Graph OwnLayerReadsTwice()
    {
        var graph = new Graph(new Shape(3, 4, 4));
        Node x = graph.Add(new Conv2d(5, 3, padding: 1), graph.Input);
        graph.Add(new Conv2d(2, 3, padding: 1), graph.Add(new Product(), x, x));
        return graph;
    }

    private static Graph OwnLayerAndConvReadRelu()
    {
        var graph = new Graph(new Shape(3, 4, 4));
        Node x = graph.Add(new Relu(), graph.Input);
        Node own = graph.Add(new Stretch(), x), conv = graph.Add(new Conv2d(3, 3, padding: 1), x);
        graph.Add(new Add(), own, conv);
        return graph;
    }

    private static Graph ImagesInEveryLayout()
    {
        var graph = new Graph(new Shape(4, 5, 5));
        Node plain = graph.Add(new Conv2d(8, 5, padding: 2), graph.Input),
            blocked = graph.Add(new Conv2d(8, 3, padding: 1, groups: 2), graph.Input);
        Node maps = graph.Append(graph.Add(new Add(), plain, blocked), new Flatten(), new Linear(6));
        Node features = graph.Append(graph.Input, new Flatten(), new Linear(6));
        graph.Add(new Add(), maps, features);
        return graph;
    }

    private static Graph SumsOfSums()
    {
        var graph = new Graph(new Shape(3, 4, 4));
        Node a = graph.Append(graph.Input, new Conv2d(17, 3, padding: 1), new Relu()),
            b = graph.Append(graph.Input, new Conv2d(17, 1), new Relu());
        Node sum = graph.Append(graph.Add(new Add(), a, b), new Relu());
        Node both = graph.Append(graph.Add(new Add(), sum, graph.Add(new Conv2d(17, 3, padding: 1), sum)), new Relu());
        graph.Add(new Conv2d(2, 3), both);
        return graph;
    }

    private static Graph ThreeTimes()
    {
        var graph = new Graph(new Shape(3, 4, 4));
        Node x = graph.Append(graph.Input, new Conv2d(5, 3, padding: 1), new Relu());
        graph.Append(graph.Add(new Add(), x, x, x), new Relu(), new Conv2d(2, 1));
        return graph;
    }

    private static Graph ReluReadByMany()
    {
        var graph = new Graph(new Shape(3, 6, 6));
        Node x = graph.Append(graph.Input, new Conv2d(17, 3, padding: 1), new Relu());
        Node pooled = graph.Append(x, new MaxPool2d(2), new Flatten(), new Linear(4)),
            own = graph.Append(x, new Stretch(), new Flatten(), new Linear(4));
        Node averaged = graph.Append(x, new AvgPool2d(2), new Flatten(), new Linear(4)),
            flat = graph.Append(x, new Flatten(), new Linear(4));
        graph.Add(new Add(), pooled, own, averaged, flat);
        return graph;
    }

    // y = w·x + r with one w per channel and r, a buffer, the number of training passes; keeps what it read.
    private sealed record Stretch : Layer
    {
        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

        public override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs) =>
        [
            new("weight", ParameterRole.Weight, [inputs[0].C]),
            new("passes", ParameterRole.RunningMean, [1]),
        ];

        public override BackwardReads BackwardReads => BackwardReads.None;

        public override int SavedLength(int batch, params ReadOnlySpan<Shape> inputs) => batch * inputs[0].Length;

        public override void Forward<T>(in Frame<T> f)
        {
            ReadOnlySpan<T> x = f.X(0);
            if (f.Training)
            {
                x.CopyTo(f.Saved);
                f.W(1)[0] += T.One;
            }
            for (int i = 0; i < x.Length; i++)
                f.Y[i] = f.W(0)[i / f.YShape.Area % f.YShape.C] * x[i] + f.W(1)[0];
        }

        public override void Backward<T>(in Frame<T> f)
        {
            f.DW(0).Clear();
            for (int i = 0; i < f.DY.Length; i++)
            {
                int c = i / f.YShape.Area % f.YShape.C;
                f.DW(0)[c] += f.DY[i] * f.Saved[i];
                if (f.WantsDX(0))
                    f.DX(0)[i] = f.DY[i] * f.W(0)[c];
            }
        }
    }

    // y = a·b, elementwise.
    private sealed record Product : Layer
    {
        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => inputs[0];

        public override BackwardReads BackwardReads => BackwardReads.Inputs;

        public override void Forward<T>(in Frame<T> f)
        {
            for (int i = 0; i < f.Y.Length; i++)
                f.Y[i] = f.X(0)[i] * f.X(1)[i];
        }

        public override void Backward<T>(in Frame<T> f)
        {
            for (int i = 0; i < f.DY.Length; i++)
            {
                f.DX(0)[i] = f.DY[i] * f.X(1)[i];
                f.DX(1)[i] = f.DY[i] * f.X(0)[i];
            }
        }
    }
}
