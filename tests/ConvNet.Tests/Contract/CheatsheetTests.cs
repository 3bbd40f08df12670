using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>The arithmetic of convolution that every text book has: sizes, parameters, what a filter sees.</summary>
public sealed class CheatsheetTests
{
    [TestCase(32, 5, 1, 2, 32)]
    [TestCase(224, 3, 1, 1, 224)]
    [TestCase(5, 3, 1, 0, 3)]
    [TestCase(5, 3, 2, 0, 2)]
    [TestCase(7, 3, 1, 0, 5)]
    [TestCase(7, 3, 2, 0, 3)]
    public void TheOutputIsAsWideAsTheFormulaSays(int w, int f, int s, int p, int output)
        => Assert.That(new Conv2d(1, f, s, p).Infer(new Shape(3, w, w)), Is.EqualTo(new Shape(1, output, output)));

    [Test]
    public void AFilterThatDoesNotTileIsRefusedWithTheWayOut()
    {
        var layer = new Conv2d(1, 3, stride: 3);
        string message = Assert.Throws<ArgumentException>(() => layer.Infer(new Shape(1, 7, 7)))!.Message;
        foreach (string part in (string[])["W = 7", "F = 3", "S = 3", "P = 0", "2.33", "Padding 1", "stride 1, 2, 4",
            "rounding to floor"])
            Assert.That(message, Does.Contain(part));
        // What the message proposes fits.
        Assert.That(new Conv2d(1, 3, stride: 3, padding: 1).Infer(new Shape(1, 7, 7)).W, Is.EqualTo(3));
        foreach (int stride in (int[])[1, 2, 4])
            Assert.That(() => new Conv2d(1, 3, stride).Infer(new Shape(1, 7, 7)), Throws.Nothing);
        Assert.That(new Conv2d(1, 3, stride: 3, rounding: Rounding.Floor).Infer(new Shape(1, 7, 7)).W, Is.EqualTo(2));
    }

    [Test]
    public void PoolingIsAsStrict()
    {
        Assert.That(() => new MaxPool2d(2).Infer(new Shape(1, 7, 7)),
            Throws.ArgumentException.With.Message.Contains("3.5"));
        Assert.That(() => new AvgPool2d(3, stride: 2).Infer(new Shape(1, 8, 8)),
            Throws.ArgumentException.With.Message.Contains("3.5"));
        Assert.That(new MaxPool2d(3, stride: 2, rounding: Rounding.Floor).Infer(new Shape(1, 8, 8)),
            Is.EqualTo(new Shape(1, 3, 3)));
    }

    [TestCase(100, 3, 2_800)]
    [TestCase(96, 11, 34_944)]
    [TestCase(1, 3, 28)]
    public void AConvolutionOnColourHasSoManyParameters(int filters, int kernel, int expected)
    {
        // The size of the image has no part in it.
        foreach (int size in (int[])[32, 224])
            Assert.That(Sequential.Of(new Shape(3, size, size), new Conv2d(filters, kernel)).ParameterCount,
                Is.EqualTo(expected));
    }

    [TestCase(32, 307_300)]
    [TestCase(224, 15_052_900)]
    public void AHundredUnitsOnAnImageHaveSoManyParameters(int size, int expected)
        => Assert.That(Sequential.Of(new Shape(3, size, size), new Flatten(), new Linear(100)).ParameterCount,
            Is.EqualTo(expected));

    [Test]
    public void KFiltersGiveDepthK()
        => Assert.That(new Conv2d(10, 5, padding: 2).Infer(new Shape(3, 32, 32)), Is.EqualTo(new Shape(10, 32, 32)));
}

/// <summary>Properties of convolution that hold on every backend, on whole numbers, so bit for bit.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class ConvolutionProperties(BackendCase backend)
{
    [Test]
    public void ShiftingTheImageShiftsTheMaps([Values(1, 2)] int stride, [Values(1, 2)] int steps)
    {
        const int Size = 15, Border = 4;
        int shift = stride * steps;
        var layer = new Conv2d(5, 3, stride, padding: 1);
        Shape shape = layer.Infer(new Shape(3, Size, Size));
        float[] image = Samples.Integers(3 * Size * Size, 1), weights = Samples.Integers(5 * 3 * 9, 2),
            biases = Samples.Integers(5, 3);
        float[] shifted = [.. Enumerable.Range(0, image.Length).Select(i => i % Size >= shift ? image[i - shift] : 0)];
        float[] maps = Scores(layer, new Shape(3, Size, Size), image, weights, biases),
            moved = Scores(layer, new Shape(3, Size, Size), shifted, weights, biases);
        for (int i = 0; i < maps.Length; i++)
        {
            int column = i % shape.W;
            if (column >= Border && column < shape.W - 1)
                Assert.That(moved[i], Is.EqualTo(maps[i - steps]), $"map value {i}");
        }
    }

    [Test]
    public void AnOutputSeesItsReceptiveFieldAndNoMore()
    {
        // r ← r + (F − 1)·j, j ← j·S: 3, then 3 + 2·1 = 5 with j = 2, then 5 + 2·2 = 9.
        Graph graph = Sequential.Of(new Shape(1, 21, 21), new Conv2d(1, 3), new Conv2d(1, 3, stride: 2),
            new Conv2d(1, 3));
        using IBackend opened = backend.Open();
        using IExecutable executable =
            opened.Compile(graph, new TrainingSpec(1, new MeanSquaredError(), new Sgd()) { InputGradient = true });
        foreach (Parameter parameter in graph.Parameters)
            executable.Write(parameter, [.. Enumerable.Repeat(1f, parameter.Length)]);
        executable.Forward(new float[21 * 21]);
        var outputGradient = new float[graph.Output.Shape.Length];
        outputGradient[outputGradient.Length / 2] = 1;
        executable.Backward(outputGradient);
        var gradient = new float[21 * 21];
        executable.ReadInputGradient(gradient);
        int[] seen = [.. Enumerable.Range(0, gradient.Length).Where(i => gradient[i] != 0)];
        (int rows, int columns) = (seen.Max(i => i / 21) - seen.Min(i => i / 21) + 1,
            seen.Max(i => i % 21) - seen.Min(i => i % 21) + 1);
        Assert.That((rows, columns, seen.Length), Is.EqualTo((9, 9, 81)));
    }

    [Test]
    public void AnEdgeDetectorFindsTheEdge()
    {
        // A 5×5 image, dark on the left and bright on the right, under a vertical edge filter: 3×3 responses.
        float[] image = [.. Enumerable.Range(0, 25).Select(i => i % 5 < 2 ? 0f : 1f)];
        float[] responses = Scores(new Conv2d(1, 3), new Shape(1, 5, 5), image, [-1, 0, 1, -1, 0, 1, -1, 0, 1], [0]);
        Assert.That(responses, Is.EqualTo(new float[] { 3, 3, 0, 3, 3, 0, 3, 3, 0 }));
    }

    [Test]
    public void OfATieTheFirstMaximumWins()
    {
        Assert.That(Winner([2, 5, 5, 5]), Is.EqualTo(new float[] { 0, 1, 0, 0 }));
        Assert.That(Winner([-1, -1, -1, -1]), Is.EqualTo(new float[] { 1, 0, 0, 0 }),
            "padding never wins, nor does zero");
    }

    [Test]
    public void OfNaNsTheLastWins()
        => Assert.That(Winner([float.NaN, 9, float.NaN, 1]), Is.EqualTo(new float[] { 0, 0, 1, 0 }));

    [Test]
    public void NaNAndInfinityPassThroughActivationsAndPool()
    {
        float[] images = [float.NaN, float.NegativeInfinity, float.PositiveInfinity, -0f];
        Assert.That(Scores(new Relu(), new Shape(1, 2, 2), images),
            Is.EqualTo(new float[] { float.NaN, 0, float.PositiveInfinity, 0 }));
        Assert.That(Scores(new Relu6(), new Shape(1, 2, 2), images), Is.EqualTo(new float[] { float.NaN, 0, 6, 0 }));
        Assert.That(Scores(new LeakyRelu(), new Shape(1, 2, 2), images),
            Is.EqualTo(new float[] { float.NaN, float.NegativeInfinity, float.PositiveInfinity, 0 }));
        Assert.That(Scores(new MaxPool2d(2), new Shape(1, 2, 2), images), Is.EqualTo(new float[] { float.NaN }));
    }

    [Test]
    public void GradientsAtKinksAreThoseOfTorch()
    {
        Assert.That(GradientOf(new Relu(), [-1, 0, -0f, 1]), Is.EqualTo(new float[] { 0, 0, 0, 4 }));
        Assert.That(GradientOf(new Relu6(), [-1, 0, 3, 6, 7, 5.5f]), Is.EqualTo(new float[] { 0, 0, 4, 0, 0, 4 }));
        Assert.That(GradientOf(new LeakyRelu(0.25f), [-1, 0, -0f, 1]), Is.EqualTo(new float[] { 1, 1, 1, 4 }));
    }

    // The gradient of a layer on a vector, where that of its output is 4 everywhere.
    private float[] GradientOf(Layer layer, float[] x)
    {
        using IBackend opened = backend.Open();
        using IExecutable executable = opened.Compile(Sequential.Of(Shape.Vector(x.Length), layer),
            new TrainingSpec(1, new MeanSquaredError(), new Sgd()) { InputGradient = true });
        executable.Forward(x);
        executable.Backward((float[])[.. x.Select(_ => 4f)]);
        var gradient = new float[x.Length];
        executable.ReadInputGradient(gradient);
        return gradient;
    }

    private float[] Winner(float[] window)
    {
        using IBackend opened = backend.Open();
        using IExecutable executable = opened.Compile(Sequential.Of(new Shape(1, 2, 2), new MaxPool2d(2)),
            new TrainingSpec(1, new MeanSquaredError(), new Sgd()) { InputGradient = true });
        executable.Forward(window);
        executable.Backward((float[])[1]);
        var gradient = new float[4];
        executable.ReadInputGradient(gradient);
        return gradient;
    }

    private float[] Scores(Layer layer, Shape input, float[] images, params float[][] parameters)
    {
        using IBackend opened = backend.Open();
        Graph graph = Sequential.Of(input, layer);
        using IExecutable executable = opened.Compile(graph, new TrainingSpec(1, new MeanSquaredError(), new Sgd()));
        foreach ((Parameter parameter, float[] values) in graph.Parameters.Zip(parameters))
            executable.Write(parameter, values);
        executable.Forward(images);
        var scores = new float[graph.Output.Shape.Length];
        executable.ReadOutput(scores);
        return scores;
    }
}
