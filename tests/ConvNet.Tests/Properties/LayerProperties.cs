using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Properties;

/// <summary>What must hold for a layer of any shape, on whole numbers and so bit for bit.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.Direct))]
public sealed class LayerProperties(BackendCase backend)
{
    private IBackend _backend = null!;

    [OneTimeSetUp]
    public void Open() => _backend = backend.Open();

    [OneTimeTearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void AConvolutionIsLinearInItsInputAndInItsWeights()
        => RandomProperty.Holds(seed => RandomCases.Layer(seed), made => made.Layer is Conv2d, made =>
    {
        using var run = new LayerRunner(_backend, made);
        float[] x = run.Image(1), other = run.Image(2), sum = Sum(x, other), dy = run.Upstream(3);
        float[][] w = run.Weights(4, bias: false), otherW = run.Weights(5, bias: false), sumW = [.. w.Zip(otherW, Sum)];
        Outcome atX = run.Train(x, w, dy), atOther = run.Train(other, w, dy), atSum = run.Train(sum, w, dy);
        RandomProperty.Same(atSum.Y, Sum(atX.Y, atOther.Y), "y of a sum of inputs");
        RandomProperty.Same(atSum.DW[0], Sum(atX.DW[0], atOther.DW[0]), "dw of a sum of inputs");
        Outcome withOther = run.Train(x, otherW, dy), withSum = run.Train(x, sumW, dy);
        RandomProperty.Same(withSum.Y, Sum(atX.Y, withOther.Y), "y of a sum of weights");
        RandomProperty.Same(withSum.DX, Sum(atX.DX, withOther.DX), "dx of a sum of weights");
    });

    [Test]
    public void AConvolutionIsTranslationEquivariant()
        => RandomProperty.Holds(seed => RandomCases.Layer(seed), made => made.Layer is Conv2d, made =>
    {
        // On a canvas with room for one stride down and two to the right, without padding.
        var given = (Conv2d)made.Layer;
        Window window = given.Window;
        var layer = new Conv2d(given.OutChannels, window.Kernel, window.Stride, 0, window.Dilation, given.Groups,
            given.Bias, rounding: Rounding.Floor);
        Shape x = made.Inputs[0];
        var canvas = new Shape(x.C, Math.Max(x.H, window.Reach.H) + window.Stride.H, Math.Max(x.W, window.Reach.W) + 2
            * window.Stride.W);
        using var run = new LayerRunner(_backend, made with { Layer = layer, Inputs = [canvas] });
        float[] image = Samples.Integers(run.N * x.Length, 1);
        float[][] w = run.Weights(2);
        float[] dy = run.Upstream(3);
        float[] here = run.Train(Placed(image, x, canvas, 0, 0), w, dy).Y,
            there = run.Train(Placed(image, x, canvas, window.Stride.H, 2 * window.Stride.W), w, dy).Y;
        Shape y = layer.Infer(canvas);
        for (int i = 0; i < here.Length; i++)
        {
            (int row, int column) = (i / y.W % y.H, i % y.W);
            if (row + 1 < y.H && column + 2 < y.W && there[i + y.W + 2] != here[i])
                throw new InvalidOperationException($"y[{i + y.W + 2}] is {there[i + y.W + 2]}, and {here[i]} before "
                    + "the image moved");
        }
    });

    [Test]
    public void ZeroChannelsAndZeroFiltersChangeNothing()
        => RandomProperty.Holds(seed => RandomCases.Layer(seed), made => made.Layer is Conv2d { Groups: 1 }, made =>
    {
        var layer = (Conv2d)made.Layer;
        (Window window, Shape x) = (layer.Window, made.Inputs[0]);
        const int More = 3;
        using var run = new LayerRunner(_backend, made);
        using var channels = new LayerRunner(_backend, made with { Inputs = [new Shape(x.C + More, x.H, x.W)] });
        using var filters =
            new LayerRunner(_backend,
            made with
            {
                Layer = new Conv2d(layer.OutChannels + More, window.Kernel, window.Stride, window.Padding,
            window.Dilation, 1, layer.Bias, window.Rounding)
            });
        float[] image = run.Image(1), dy = run.Upstream(2);
        float[][] w = run.Weights(3);
        int taps = (int)window.Kernel.Area, y = run.YShape.Area;
        Outcome before = run.Train(image, w, dy);

        // The weights of the new channels are not 0, their values are.
        float[] wider = Interleaved(w[0], Samples.Integers(layer.OutChannels * More * taps, 4), x.C * taps,
            More * taps);
        Outcome widened = channels.Train(Interleaved(image, new float[run.N * More * x.Area], x.Length, More * x.Area),
            [wider, .. w[1..]], dy);
        RandomProperty.Same(widened.Y, before.Y, "y with zero channels");
        RandomProperty.Same(widened.DW[0], Interleaved(before.DW[0], new float[layer.OutChannels * More * taps],
            x.C * taps,
            More * taps), "dw with zero channels");

        // The gradients of the new filters' outputs are not 0, their weights are.
        float[] moreDY = Interleaved(dy, Samples.Integers(run.N * More * y, 5), layer.OutChannels * y, More * y);
        Outcome deeper = filters.Train(image,
            [.. w.Select(values => (float[])[.. values, .. new float[values.Length / layer.OutChannels * More]])],
            moreDY);
        RandomProperty.Same(deeper.Y,
            Interleaved(before.Y, new float[run.N * More * y], layer.OutChannels * y, More * y),
            "y with zero filters");
        RandomProperty.Same(deeper.DX, before.DX, "dx with zero filters");
        RandomProperty.Same(deeper.DW[0][..w[0].Length], before.DW[0], "dw with zero filters");
    });

    [Test]
    public void TheOrderOfABatchPermutesOutputsAndLeavesSummedGradients()
        => RandomProperty.Holds(seed => RandomCases.Layer(seed), made => made.Options.BatchSize > 1 && made.Layer
            is not (RandomDrop or BatchNorm2d), made =>
        {
            using var run = new LayerRunner(_backend, made);
            float[] image = run.Image(1), dy = run.Upstream(2);
            float[][] w = run.Weights(3);
            float[] Rotated(float[] values)
                => [.. values[(values.Length / run.N)..], .. values[..(values.Length / run.N)]];
            Outcome before = run.Train(image, w, dy), after = run.Train(Rotated(image), w, Rotated(dy));
            RandomProperty.Same(after.Y, Rotated(before.Y), "y", PlaceShare);
            RandomProperty.Same(after.DX, Rotated(before.DX), "dx", PlaceShare);
            for (int i = 0; i < w.Length; i++)
                RandomProperty.Same(after.DW[i], before.DW[i], $"gradient {i}", PlaceShare);
        });

    // libtorch computes the last values of a tensor, which do not fill a vector, by other functions than the rest.
    private float PlaceShare => backend.Deterministic ? 0 : 4 * MathF.Pow(2, -24);

    [Test]
    public void TheGradientOfASumOfLossesIsTheSumOfTheGradients()
        => RandomProperty.Holds(seed => RandomCases.Layer(seed), made => made.Layer is Conv2d or Linear, made =>
    {
        using var run = new LayerRunner(_backend, made);
        float[] image = run.Image(1), dy = run.Upstream(2), other = run.Upstream(3);
        float[][] w = run.Weights(4);
        Outcome first = run.Train(image, w, dy), second = run.Train(image, w, other),
            ofSum = run.Train(image, w, Sum(dy, other));
        run.Train(image, w, dy);
        Outcome added = run.Train(image, w, other, accumulate: true);
        for (int i = 0; i < w.Length; i++)
        {
            RandomProperty.Same(ofSum.DW[i], Sum(first.DW[i], second.DW[i]), $"gradient {i} of the summed loss");
            RandomProperty.Same(added.DW[i], ofSum.DW[i], $"gradient {i} added up over two passes");
        }
    });

    private static float[] Sum(float[] a, float[] b) => [.. a.Zip(b, (x, y) => x + y)];

    // So many of the first, so many of the second, and again.
    private static float[] Interleaved(float[] a, float[] b, int ofA, int ofB)
        => [.. Enumerable.Range(0, a.Length / ofA)
            .SelectMany(i => (float[])[.. a[(i * ofA)..((i + 1) * ofA)], .. b[(i * ofB)..((i + 1) * ofB)]])];

    private static float[] Placed(float[] image, Shape x, Shape canvas, int down, int right)
    {
        var placed = new float[image.Length / x.Area * canvas.Area];
        for (int i = 0; i < image.Length; i++)
            placed[(i / x.Area * canvas.H + i / x.W % x.H + down) * canvas.W + i % x.W + right] = image[i];
        return placed;
    }

    private sealed record Outcome(float[] Y, float[] DX, float[][] DW);

    /// <summary>A layer as a graph of its own, compiled; several inputs are the same one.</summary>
    private sealed class LayerRunner : IDisposable
    {
        private readonly IExecutable _executable;
        private readonly Node _layer;

        public LayerRunner(IBackend opened, LayerGradientCase made)
        {
            N = made.Options.BatchSize;
            var graph = new Graph(made.Inputs[0]);
            _layer = graph.Add(made.Layer, [.. made.Inputs.Select(_ => graph.Input)]);
            _executable = opened.Compile(graph,
                new TrainingSpec(N, new MeanSquaredError(), new Sgd()) { InputGradient = true });
            if (LayerAlgorithms.Of(_executable, _layer) != default)
                throw new NotSupportedException($"{made.Layer} is computed by an algorithm that rounds on these whole "
                    + "numbers; the gradient check has others for it.");
        }

        public int N { get; }

        public Shape YShape => _layer.Shape;

        public float[] Image(int seed) => Samples.Integers(N * _layer.Graph.Input.Shape.Length, seed);

        public float[] Upstream(int seed) => Samples.Integers(N * _layer.Shape.Length, seed);

        public float[][] Weights(int seed, bool bias = true)
            => [.. _layer.Parameters.Select(p => bias || p.Role == ParameterRole.Weight
                ? Samples.Integers(p.Length, seed + 100 * p.Index) : new float[p.Length])];

        public Outcome Train(float[] x, float[][] w, float[] dy, bool accumulate = false)
        {
            for (int i = 0; i < w.Length; i++)
                _executable.Write(_layer.Parameters[i], w[i]);
            _executable.Forward(x);
            var y = new float[N * _layer.Shape.Length];
            _executable.ReadOutput(y);
            _executable.Backward(dy, accumulate);
            var dx = new float[x.Length];
            _executable.ReadInputGradient(dx);
            return new Outcome(y, dx,
                [.. _layer.Parameters.Where(p => p.Trainable).Select(p => _executable.ReadGradient(p))]);
        }

        public void Dispose() => _executable.Dispose();
    }
}
