using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>Every sum over samples, pixels, channels or features, on every backend, of many equal positive
/// terms.</summary>
/// <remarks>
/// Rounding errors of a running sum of equal terms all go one way: half an ulp of the sum for each term, n/3 ulp of the
/// result, which is 1% at 10⁷ terms. In blocks, no sum of n terms may be off by more than n/64 + 8 ulp of the result. A
/// block is a running sum itself, which may be off by B/3 ulp with B terms: on managed, where B is 32, that is within
/// the bound, and blocks are summed in pairs, within 64 ulp for any n. In the kernels B is at most 288, on top of the
/// bound.
/// </remarks>
public sealed class LongSumContract
{
    private const int Block = 288, Few = 100, Seed = 20;

    // A forced algorithm is one of 3×3 convolutions.
    private static IEnumerable<TestCaseData> Pairs => from backend in Backends.All.Concat(Backends.Forced)
                                                      from reduction in Reductions
                                                      where Backends.All.Contains(backend)
                                                          || reduction.Name.StartsWith("3x3", StringComparison.Ordinal)
                                                      select new TestCaseData(backend, reduction);

    /// <summary>A sum: what gathered it, how many terms it has, and what it should be.</summary>
    private sealed record Sum(string What, long Terms, double Got, double Expected)
    {
        /// <summary>The error in ulp of the result.</summary>
        public double Error => Math.Abs(Got - Expected) / Ulp((float)Expected);

        private static double Ulp(float value) => (double)MathF.BitIncrement(MathF.Abs(value)) - MathF.Abs(value);
    }

    /// <summary>A reduction, up to how many terms it is tried with, and what makes its sums of about n equal terms
    /// v.</summary>
    public sealed record Reduction(string Name, int Most, Func<IBackend, int, float, IEnumerable<object>> Run)
    {
        public override string ToString() => Name;
    }

    // Libtorch's own sums are running sums, beyond the bound of this project. How many ulp the worst of them was off
    // with libtorch 2.10 on two threads; another version or processor may be twice as far off.
    private static readonly Dictionary<string, double> s_torchIsOff = new()
    {
        ["linear over features"] = 4_000,
        ["linear over features of 20 samples"] = 2_400,
        ["linear over units"] = 43_000,
        ["linear over units of 20 samples"] = 3_900,
        ["linear over samples"] = 19_000,
        ["1x1 convolution over channels"] = 71,
        ["1x1 convolution over filters"] = 4_400,
        ["1x1 convolution over filters into an image"] = 35,
        ["1x1 convolution over pixels"] = 78_000,
        ["3x3 convolution over channels"] = 1_311,
        ["3x3 convolution over filters"] = 95,
        ["3x3 convolution over pixels"] = 7_000,
        ["3x3 convolution over samples"] = 2_500,
        ["3x3 convolution over samples of one pixel"] = 7_100,
        ["5x5 convolution over images"] = 7_000,
        ["5x5 convolution of few filters over images"] = 12_000,
        ["wide filter over its taps"] = 1_300,
        ["wide filter over its taps and channels"] = 3_600,
        ["wide filter of 17 images"] = 63,
        ["high filter over its taps"] = 260,
        ["few filters over a wide image"] = 97_000,
        ["filters over a wide image"] = 35_000,
        ["filters over a wide map"] = 33_000,
        ["depthwise filter over its taps"] = 460,
        ["depthwise filter of three columns over its taps"] = 220,
        ["depthwise over pixels"] = 27_000,
        ["depthwise over samples"] = 24_000,
        ["grouped over samples"] = 1_400,
        ["grouped over pixels"] = 32_000,
        ["average of a wide window"] = 2_700,
        ["average of overlapping rows"] = 370,
        ["average of overlapping windows"] = 170,
        ["average inside overlapping windows"] = 120,
        ["maximum of overlapping rows"] = 140,
        ["maximum of overlapping columns"] = 250,
        ["maximum of overlapping windows"] = 250,
        ["batch norm of a row"] = 5_800,
        ["batch norm of a column"] = 7_500,
        ["batch norm of a map"] = 5_800,
        ["batch norm over samples"] = 260_000,
        ["readers of a value"] = 180,
    };

    private static IEnumerable<Reduction> Reductions =>
    [
        new("linear over features", 1_000_000, (b, n, v) => Layer(b, new Linear(3), Shape.Vector(n), 1, v)),
        new("linear over features of 20 samples", 100_000,
            (b, n, v) => Layer(b, new Linear(3), Shape.Vector(n), 20, v)),
        new("linear over units", 300_000, (b, n, v) => Layer(b, new Linear(n), Shape.Vector(3), 1, v)),
        new("linear over units of 20 samples", 30_000, (b, n, v) => Layer(b, new Linear(n), Shape.Vector(3), 20, v)),
        new("linear over samples", 300_000, (b, n, v) => Layer(b, new Linear(2), Shape.Vector(3), n, v)),
        new("1x1 convolution over channels", 100_000,
            (b, n, v) => Layer(b, new Conv2d(2, 1), new Shape(n, 2, 2), 1, v, behind: true)),
        new("1x1 convolution over filters", 100_000,
            (b, n, v) => Layer(b, new Conv2d(n, 1), new Shape(2, 2, 2), 1, v, behind: true)),
        new("1x1 convolution over filters into an image", 30_000,
            (b, n, v) => Layer(b, new Conv2d(n, 1), new Shape(2, 2, 2), 17, v)),
        new("1x1 convolution over pixels", 1_000_000,
            (b, n, v) => Layer(b, new Conv2d(2, 1), new Shape(2, Rows(n), n / Rows(n)), 1, v, behind: true)),
        new("3x3 convolution over channels", 30_000,
            (b, n, v) => Layer(b, new Conv2d(2, 3), new Shape(n / 9 + 1, 8, 8), 2, v, behind: true)),
        new("3x3 convolution over filters", 30_000,
            (b, n, v) => Layer(b, new Conv2d(n / 9 + 1, 3), new Shape(17, 8, 8), 2, v, behind: true)),
        new("3x3 convolution over pixels", 300_000,
            (b, n, v) => Layer(b, new Conv2d(2, 3), new Shape(2, Rows(n) + 2, n / Rows(n) + 2), 1, v, behind: true)),
        new("3x3 convolution over samples", 100_000,
            (b, n, v) => Layer(b, new Conv2d(2, 3), new Shape(2, 3, 4), n, v, behind: true)),
        new("3x3 convolution over samples of one pixel", 100_000,
            (b, n, v) => Layer(b, new Conv2d(2, 3, padding: 1), new Shape(2, 1, 1), n, v, behind: true)),
        new("5x5 convolution over images", 300_000,
            (b, n, v) => Layer(b, new Conv2d(20, 5), new Shape(1, 20, 20), n / 256 + 1, v)),
        new("5x5 convolution of few filters over images", 300_000,
            (b, n, v) => Layer(b, new Conv2d(6, 5), new Shape(1, 20, 20), n / 256 + 1, v)),
        new("wide filter over its taps", 10_000,
            (b, n, v) => Layer(b, new Conv2d(2, (1, n)), new Shape(1, 1, n + 10), 1, v)),
        new("wide filter over its taps and channels", 3_000,
            (b, n, v) => Layer(b, new Conv2d(2, (1, n)), new Shape(17, 1, n + 10), 1, v, behind: true)),
        new("wide filter of 17 images", 1_000,
            (b, n, v) => Layer(b, new Conv2d(20, (1, n)), new Shape(1, 1, n + 10), 17, v)),
        new("high filter over its taps", 3_000,
            (b, n, v) => Layer(b, new Conv2d(2, (n, 1)), new Shape(1, n + 10, 1), 1, v)),
        new("few filters over a wide image", 1_000_000,
            (b, n, v) => Layer(b, new Conv2d(2, (1, 16)), new Shape(1, 1, n + 15), 1, v)),
        new("filters over a wide image", 1_000_000,
            (b, n, v) => Layer(b, new Conv2d(17, (1, 16)), new Shape(1, 1, n + 15), 1, v)),
        new("filters over a wide map", 300_000,
            (b, n, v) => Layer(b, new Conv2d(17, (1, 16)), new Shape(2, 1, n + 15), 1, v, behind: true)),
        new("depthwise filter over its taps", 10_000,
            (b, n, v) => Layer(b, new Conv2d(2, (1, n), groups: 2), new Shape(2, 1, n + 10), 1, v, behind: true)),
        new("depthwise filter of three columns over its taps", 3_000, (b, n, v)
            => Layer(b, new Conv2d(2, (n / 3, 3), groups: 2), new Shape(2, (n / 3) + 9, 9), 1, v, behind: true)),
        new("depthwise over pixels", 300_000, (b, n, v)
            => Layer(b, new Conv2d(2, 3, groups: 2), new Shape(2, Rows(n) + 2, n / Rows(n) + 2), 1, v, behind: true)),
        new("depthwise over samples", 300_000,
            (b, n, v) => Layer(b, new Conv2d(2, 3, groups: 2), new Shape(2, 3, 3), n, v, behind: true)),
        new("grouped over samples", 100_000,
            (b, n, v) => Layer(b, new Conv2d(4, 3, groups: 2), new Shape(4, 3, 3), n, v, behind: true)),
        new("grouped over pixels", 300_000,
            (b, n, v) => Layer(b, new Conv2d(4, 1, groups: 2), new Shape(4, 1, n), 1, v, behind: true)),
        new("global average of a row", 30_000, (b, n, v) => Layer(b, new GlobalAvgPool2d(), new Shape(2, 1, n), 1, v)),
        new("global average of a column", 30_000,
            (b, n, v) => Layer(b, new GlobalAvgPool2d(), new Shape(2, n, 1), 1, v)),
        new("global average of a map", 1_000_000,
            (b, n, v) => Layer(b, new GlobalAvgPool2d(), new Shape(2, Rows(n), n / Rows(n)), 1, v)),
        new("average of a wide window", 30_000,
            (b, n, v) => Layer(b, new AvgPool2d((1, n)), new Shape(2, 1, 3 * n), 1, v)),
        new("average of overlapping rows", 3_000,
            (b, n, v) => Layer(b, new AvgPool2d((1, n), 1), new Shape(2, 1, (2 * n) - 1), 1, v)),
        new("average of overlapping windows", 3_000,
            (b, n, v) => Layer(b, new AvgPool2d(Rows(n), 1), new Shape(2, (2 * Rows(n)) - 1, (2 * Rows(n)) - 1), 1, v)),
        new("average inside overlapping windows", 3_000,
            (b, n, v) => Layer(b, new AvgPool2d(Rows(n), 1, countIncludePad: false),
            new Shape(2, (2 * Rows(n)) - 1, (2 * Rows(n)) - 1), 1, v)),
        new("maximum of overlapping rows", 3_000,
            (b, n, v) => Layer(b, new MaxPool2d((1, n), 1), new Shape(2, 1, (2 * n) - 1), 1, v)),
        new("maximum of overlapping columns", 3_000,
            (b, n, v) => Layer(b, new MaxPool2d((n, 1), 1), new Shape(2, (2 * n) - 1, 1), 1, v)),
        new("maximum of overlapping windows", 3_000,
            (b, n, v) => Layer(b, new MaxPool2d(Rows(n), 1), new Shape(2, (2 * Rows(n)) - 1, (2 * Rows(n)) - 1), 1, v)),
        new("batch norm of a row", 1_000_000, (b, n, v) => Normalized(b, new Shape(2, 1, n), 1, v)),
        new("batch norm of a column", 300_000, (b, n, v) => Normalized(b, new Shape(2, n, 1), 1, v)),
        new("batch norm of a map", 1_000_000, (b, n, v) => Normalized(b, new Shape(2, Rows(n), n / Rows(n)), 1, v)),
        new("batch norm over samples", 300_000, (b, n, v) => Normalized(b, Shape.Vector(2), n, v)),
        new("batch norm over images", 300_000, (b, n, v) => Normalized(b, new Shape(2, 2, 3), (n / 6) + 1, v)),
        new("readers of a value", 1_000, Readers),
        new("softmax over samples", 3_000_000, (b, n, v) => Losses(b, new SoftmaxCrossEntropy(), n, 2, v)),
        new("softmax over classes", 1_000_000, (b, n, v) => Losses(b, new SoftmaxCrossEntropy(), 1, n, v)),
        new("hinge over samples", 3_000_000, (b, n, v) => Losses(b, new MulticlassSvm(v), n, 2, v)),
        new("hinge over classes", 1_000_000, (b, n, v) => Losses(b, new MulticlassSvm(v), 1, n, v)),
        new("squared error", 10_000_000, (b, n, v) => Losses(b, new MeanSquaredError(), n, 1, v)),
    ];

    [TestCaseSource(nameof(Pairs))]
    public void LongSumsOfOneSignStayCloseToTheirValue(BackendCase backend, Reduction reduction)
    {
        using IBackend opened = backend.Open();
        bool native = backend.Name.StartsWith("native", StringComparison.Ordinal);
        double off = backend.Name.StartsWith("torchsharp", StringComparison.Ordinal)
            ? 2 * s_torchIsOff.GetValueOrDefault(reduction.Name) : 0;
        var random = new Random(Seed + reduction.Name.Length);
        double worst = 0;
        int[] counts = [Few + random.Next(200), Draw(random, reduction.Most), Draw(random, reduction.Most),
            reduction.Most];
        Assert.Multiple(() =>
        {
            foreach (int n in counts)
            {
                float v = 1 + random.NextSingle();
                foreach (Sum sum in reduction.Run(opened, n, v).Cast<Sum>())
                {
                    double blocks = (sum.Terms / 64.0) + 8, bound = native ? blocks + (Math.Min(sum.Terms, Block) / 3.0)
                        : Math.Min(blocks, 64);
                    worst = Math.Max(worst, sum.Error);
                    Assert.That(sum.Error, Is.LessThanOrEqualTo(Math.Max(bound, off)),
                        $"ulp of {sum.What}, {sum.Terms:N0} terms (n = {n:N0}, v = {v:R}): {sum.Got:R} for "
                            + $"{sum.Expected:R}");
                }
            }
        });
        TestContext.Out.WriteLine($"{backend}, {reduction}: {worst:F1} ulp");
    }

    // Between 10² and the most, evenly in the logarithm.
    private static int Draw(Random random, int most) => (int)(Few * Math.Pow((double)most / Few, random.NextDouble()));

    private static int Rows(int n) => (int)Math.Sqrt(n);

    // x = 1 and w = dy = v: y sums w, dx sums w·dy, dw sums dy and db sums dy.
    private static IEnumerable<object> Layer(IBackend backend, Layer layer, Shape input, int batch, float v,
        bool behind = false)
    {
        var graph = new Graph(input);
        Node before = behind ? graph.Add(new Relu(), graph.Input) : graph.Input;
        Node node = graph.Add(layer, before);
        using IExecutable net =
            backend.Compile(graph, new TrainingSpec(batch, new MeanSquaredError(), new Sgd()) { InputGradient = true });
        foreach (Parameter parameter in graph.Parameters)
            net.Write(parameter, Filled(parameter.Length, parameter.Role == ParameterRole.Bias ? 0 : v));
        bool pools = layer is AvgPool2d or GlobalAvgPool2d or MaxPool2d;
        float[] x = Filled(batch * input.Length, pools ? v : 1);
        if (layer is MaxPool2d)
        {
            for (int map = 0; map < batch * input.C; map++)
                x[(map * input.Area) + Middle(input)] = 2 * v;
        }
        net.Forward(x);
        float[] y = new float[batch * node.Shape.Length], dx = new float[batch * input.Length];
        net.ReadOutput(y);
        net.Backward(Filled(batch * node.Shape.Length, v));
        net.ReadInputGradient(dx);

        Shape output = node.Shape;
        int yMiddle = Middle(output), xMiddle = Middle(input);
        switch (layer)
        {
            case Linear linear:
                yield return new Sum("y", input.C, y[^1], (double)input.C * v);
                yield return new Sum("dx", linear.OutFeatures, dx[^1], (double)linear.OutFeatures * v * v);
                break;
            case Conv2d conv:
                int depth = input.C / conv.Groups, filters = conv.OutChannels / conv.Groups;
                long yTerms = (long)depth * Meets(output, input, conv.Window, yMiddle, true);
                long dxTerms = (long)filters * Meets(output, input, conv.Window, xMiddle, false);
                yield return new Sum("y", yTerms, y[yMiddle], (double)yTerms * v);
                yield return new Sum("dx", dxTerms, dx[xMiddle], (double)dxTerms * v * v);
                break;
            case MaxPool2d pool:
                long maxima = Meets(output, input, pool.Window, xMiddle, false);
                yield return new Sum("dx", maxima, dx[xMiddle], (double)maxima * v);
                break;
            case AvgPool2d pool:
                long windows = Meets(output, input, pool.Window, xMiddle, false);
                yield return new Sum("y", pool.Window.Kernel.Area, y[yMiddle], v);
                yield return new Sum("dx", windows, dx[xMiddle], (double)windows * v / pool.Window.Kernel.Area);
                break;
            default:
                yield return new Sum("y", input.Area, y[^1], v);
                break;
        }
        foreach (Parameter parameter in graph.Parameters)
        {
            // The middle tap finds every position of the output inside the image.
            float[] gradient = net.ReadGradient(parameter);
            int middle = layer is Conv2d conv && parameter.Role == ParameterRole.Weight
                ? (int)(conv.Window.Kernel.Area / 2) : 0;
            long terms = (long)batch * output.Area;
            yield return new Sum(parameter.Name, terms, gradient[middle], terms * (double)v);
        }
    }

    // How many inputs output i finds, or how many outputs find input i.
    private static long Meets(Shape output, Shape input, Window window, int i, bool ofOutput)
    {
        long Along(int at, int inputs, int outputs, int kernel, int stride, int padding)
        {
            long count = 0;
            for (int tap = 0; tap < kernel; tap++)
            {
                int other = ofOutput ? (at * stride) + tap - padding : at + padding - tap;
                count += ofOutput ? (other >= 0 && other < inputs ? 1 : 0) : other >= 0 && other % stride == 0
                    && other / stride < outputs ? 1 : 0;
            }
            return count;
        }
        int width = ofOutput ? output.W : input.W;
        return Along(i / width, input.H, output.H, window.Kernel.H, window.Stride.H, window.Padding.Top)
            * Along(i % width, input.W, output.W, window.Kernel.W, window.Stride.W, window.Padding.Left);
    }

    // x = ±v in turn: the mean is 0 and every squared distance v². Then x = v, whose mean is v.
    private static IEnumerable<object> Normalized(IBackend backend, Shape input, int batch, float v)
    {
        Graph graph = Sequential.Of(input, new BatchNorm2d(momentum: 1));
        using IExecutable net =
            backend.Compile(graph, new TrainingSpec(batch, new MeanSquaredError(), new Sgd()) { InputGradient = true });
        net.Initialize(new HeNormal(1));
        long n = (long)batch * input.Area;
        int length = batch * input.Length;

        net.Forward(Filled(length, v));
        yield return new Sum("mean", n, net.Read(graph.Parameters[2])[1], v);
        float[] dx = new float[length];
        net.Backward(Filled(length, v));
        net.ReadInputGradient(dx);
        yield return new Sum("dbeta", n, net.ReadGradient(graph.Parameters[1])[1], (double)n * v);
        // γ/√ε·(dy − dβ/M), whose distance from 0 is the error of dβ/M.
        yield return new Sum("dx and dy", n, v + (dx[0] * Math.Sqrt(1e-5f)), v);

        if (n % 2 != 0)
            yield break;
        float[] signs = [.. Enumerable.Range(0, length).Select(i => Position(i, input) % 2 == 0 ? v : -v)];
        net.Forward(signs);
        yield return new Sum("variance", n, net.Read(graph.Parameters[3])[1], (double)v * v * n / (n - 1));
        net.Backward(signs);
        yield return new Sum("dgamma", n, net.ReadGradient(graph.Parameters[0])[1],
            n * (v * (double)v / Math.Sqrt(((double)v * v) + 1e-5f)));
    }

    // The position of value i of a batch within its channel, counted over the samples.
    private static int Position(int i, Shape shape) => (i / shape.Length * shape.Area) + (i % shape.Area);

    private static IEnumerable<object> Readers(IBackend backend, int n, float v)
    {
        var graph = new Graph(new Shape(2, 2, 2));
        Node value = graph.Add(new Relu(), graph.Input);
        Node[] readers = [.. Enumerable.Range(0, n).Select(_ => graph.Add(new Relu(), value))];
        graph.Add(new Add(), readers);
        using IExecutable net =
            backend.Compile(graph, new TrainingSpec(1, new MeanSquaredError(), new Sgd()) { InputGradient = true });
        net.Forward(Filled(8, 1));
        net.Backward(Filled(8, v));
        var dx = new float[8];
        net.ReadInputGradient(dx);
        yield return new Sum("dx", n, dx[3], (double)n * v);
    }

    // Equal scores: log K or (K − 1)·Δ for every sample; and scores that are all v from their targets.
    private static IEnumerable<object> Losses(IBackend backend, Loss loss, int batch, int classes, float v)
    {
        Graph graph = Sequential.Of(Shape.Vector(classes), new Flatten());
        using IExecutable net =
            backend.Compile(graph, new TrainingSpec(batch, loss, new Sgd()) { InputGradient = true });
        net.Forward(Filled(batch * classes, v));
        double got = net.Loss(loss.Takes == TargetKind.Values ? new float[batch * classes] : new int[batch]);
        double expected = loss switch
        {
            SoftmaxCrossEntropy => Math.Log(classes),
            MulticlassSvm => (classes - 1) * (double)v,
            _ => (double)v * v,
        };
        yield return new Sum("loss", (long)batch * classes, got, expected);
        net.Backward();
        var gradient = new float[batch * classes];
        net.ReadInputGradient(gradient);
        double share = 1.0 / batch;
        (double own, double other) = loss switch
        {
            SoftmaxCrossEntropy => (share * ((1.0 / classes) - 1), share / classes),
            MulticlassSvm => (-share * (classes - 1), share),
            _ => (2 * share * v, 2 * share * v),
        };
        yield return new Sum("gradient of the label's score", classes, gradient[0], own);
        yield return new Sum("gradient of another score", classes, gradient[^1], other);
    }

    private static int Middle(Shape shape) => (shape.H / 2 * shape.W) + (shape.W / 2);

    private static float[] Filled(int length, float value)
    {
        var values = new float[length];
        Array.Fill(values, value);
        return values;
    }
}
