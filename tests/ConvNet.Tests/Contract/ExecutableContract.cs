using System.Runtime.InteropServices;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>How every backend's executables behave: what each verb leaves and reads, on whole numbers, so bit for
/// bit.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
public sealed class ExecutableContract(BackendCase backend)
{
    private const int Batch = 4;

    private IBackend _backend = null!;

    [SetUp]
    public void Open() => _backend = backend.Open();

    [TearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void ParametersAndBuffersComeBackAsWritten()
    {
        using IExecutable executable = _backend.Compile(Network(batchNorm: true), Spec());
        foreach (Parameter parameter in executable.Graph.Parameters)
        {
            float[] values = Samples.Integers(parameter.Length, 1000 + parameter.Length);
            executable.Write(parameter, values);
            Assert.That(executable.Read(parameter), Is.EqualTo(values), parameter.Name);
        }
    }

    [Test]
    public void ParametersMoveToTheManagedBackendAndBack()
    {
        Graph graph = Network(batchNorm: true);
        using var managed = new ManagedBackend();
        using IExecutable executable = _backend.Compile(graph, Spec()), other = managed.Compile(graph, Spec()),
            back = _backend.Compile(graph, Spec());
        executable.Initialize(new HeNormal(3));
        executable.CopyParametersTo(other);
        other.CopyParametersTo(back);
        foreach (Parameter parameter in graph.Parameters)
            Assert.That(back.Read(parameter), Is.EqualTo(executable.Read(parameter)), parameter.Name);
    }

    [Test]
    public void BackwardOverwritesTheGradientsUnlessItIsToAdd()
    {
        using IExecutable executable = _backend.Compile(Network(), Spec());
        WriteIntegers(executable);
        float[] first = GradientsOf(executable, seed: 1), second = GradientsOf(executable, seed: 2);
        Assert.That(second, Is.Not.EqualTo(first));
        Assert.That(GradientsOf(executable, seed: 1), Is.EqualTo(first), "overwritten");
        Assert.That(GradientsOf(executable, seed: 2, accumulate: true), Is.EqualTo(first.Zip(second, (a, b) => a + b)),
            "added");
        Assert.That(GradientsOf(executable, seed: 1), Is.EqualTo(first), "overwritten again");
    }

    [Test]
    public void AddingToNoGradientsIsAFirstBackward()
    {
        using IExecutable executable = _backend.Compile(Network(), Spec()),
            fresh = _backend.Compile(executable.Graph, Spec());
        WriteIntegers(executable);
        WriteIntegers(fresh);
        Assert.That(GradientsOf(fresh, seed: 1, accumulate: true), Is.EqualTo(GradientsOf(executable, seed: 1)));
    }

    [Test]
    public void TheFourVerbsAreATrainStep()
    {
        using IExecutable verbs = _backend.Compile(Network(), Spec()),
            fused = _backend.Compile(verbs.Graph, Spec() with { KeepGradients = false });
        WriteIntegers(verbs);
        WriteIntegers(fused);
        float[] images = Samples.Integers(Batch * verbs.Graph.Input.Shape.Length, 5);
        int[] labels = [0, 2, 1, 2];
        verbs.Forward(images);
        double loss = verbs.Loss(labels);
        verbs.Backward();
        verbs.Step(0.25f);
        Assert.That(fused.TrainStep(images, labels, 0.25f), Is.EqualTo(loss));
        foreach (Parameter parameter in verbs.Graph.Parameters)
            Assert.That(fused.Read(parameter), Is.EqualTo(verbs.Read(parameter)), parameter.Name);
    }

    [Test]
    public void ASmallerBatchIsWhatAnExecutableOfItsSizeComputes()
    {
        using IExecutable large = _backend.Compile(Network(), Spec(8)), exact = _backend.Compile(large.Graph, Spec(2));
        WriteIntegers(large);
        WriteIntegers(exact);
        large.TrainStep(Samples.Integers(8 * large.Graph.Input.Shape.Length, 1), (int[])[0, 1, 2, 0, 1, 2, 0, 1], 0);
        float[] images = Samples.Integers(2 * large.Graph.Input.Shape.Length, 9);
        Assert.That(Evaluate(large), Is.EqualTo(Evaluate(exact)));

        (double, float[], float[]) Evaluate(IExecutable executable)
        {
            executable.Forward(images);
            double loss = executable.Loss((int[])[1, 2]);
            float[] scores = new float[2 * 3];
            executable.ReadOutput(scores);
            executable.Backward();
            return (loss, scores, Gradients(executable));
        }
    }

    [Test]
    public void InferLeavesATrainingPassAsItIs()
    {
        using IExecutable plain = _backend.Compile(Network(batchNorm: true), Spec()),
            disturbed = _backend.Compile(plain.Graph, Spec());
        plain.Initialize(new HeNormal(5));
        plain.CopyParametersTo(disturbed);
        float[] images = Samples.Integers(Batch * plain.Graph.Input.Shape.Length, 1),
            others = Samples.Integers(3 * plain.Graph.Input.Shape.Length, 2);
        Assert.That(Run(disturbed, () => disturbed.Infer(others, new float[3 * 3])), Is.EqualTo(Run(plain, () => { }))
            .Within(Tolerance));

        float[] Run(IExecutable executable, Action between)
        {
            executable.Forward(images);
            between();
            double loss = executable.Loss((int[])[0, 1, 2, 0]);
            between();
            executable.Backward();
            between();
            executable.Step(0.1f);
            return [(float)loss, .. Gradients(executable),
                .. plain.Graph.Parameters.SelectMany(p => executable.Read(p))];
        }
    }

    [Test]
    public void InferenceUsesTheRunningStatisticsAndNoDropout()
    {
        Graph graph = Sequential.Of(new Shape(2, 1, 2), new BatchNorm2d(epsilon: 1), new Dropout(0.5f));
        using IExecutable executable = _backend.Compile(graph, new TrainingSpec(1, new MeanSquaredError(), new Sgd()));
        // y = γ(x − μ)/√(σ² + 1) + β with √(σ² + 1) = 2 and 4.
        foreach ((Parameter parameter, float[] values)
            in graph.Parameters.Zip((float[][])[[2, 4], [1, -1], [3, 0], [3, 15]]))
            executable.Write(parameter, values);
        var scores = new float[4];
        executable.Infer((float[])[5, 3, 2, -2], scores);
        Assert.That(scores, Is.EqualTo(new float[] { 3, 1, 1, -3 }).Within(1e-6));
    }

    [Test]
    public void CompileInferenceGivesTheScoresOfInfer(
        [ValueSource(typeof(GraphCases), nameof(GraphCases.Patterns))] GraphCase graph)
    {
        Graph built = graph.Build();
        using IExecutable executable =
            _backend.Compile(built, new TrainingSpec(graph.N, GraphSamples.SquaredErrors(built), new Sgd()));
        using IExecutable inference = _backend.CompileInference(built, graph.N);
        foreach (Parameter parameter in built.Parameters)
            executable.Write(parameter, Samples.ParameterValues(parameter, 3));
        executable.CopyParametersTo(inference);
        for (int n = graph.N; n >= 1; n--)
        {
            float[][] images = GraphSamples.Inputs(built, n, n);
            float[][] expected = GraphSamples.Outputs(built, n), outputs = GraphSamples.Outputs(built, n);
            executable.Infer(BatchValues.InOrder(images), BatchBuffers.InOrder(expected));
            inference.Infer(BatchValues.InOrder(images), BatchBuffers.InOrder(outputs));
            float largest = expected.SelectMany(values => values).Max(Math.Abs);
            Assert.That(outputs.SelectMany(values => values),
                Is.EqualTo(expected.SelectMany(values => values)).Within(64 * float.Epsilon + 1e-5f * largest),
                "batch norm may be folded, which rounds otherwise");
        }
    }

    [Test]
    public void AnInferenceExecutableSeesWeightsWrittenLater()
    {
        using IExecutable inference = _backend.CompileInference(Network(batchNorm: true), Batch);
        using var managed = new ManagedBackend();
        using IExecutable reference = managed.CompileInference(inference.Graph, Batch);
        float[] images = Samples.Uniform(Batch * inference.Graph.Input.Shape.Length, 1);
        for (int seed = 1; seed <= 2; seed++)
        {
            foreach (Parameter parameter in inference.Graph.Parameters)
                inference.Write(parameter, Samples.ParameterValues(parameter, seed));
            inference.CopyParametersTo(reference);
            float[] scores = new float[Batch * 3], expected = new float[Batch * 3];
            inference.Infer(images, scores);
            reference.Infer(images, expected);
            Assert.That(scores, Is.EqualTo(expected).Within(1e-4), $"weights {seed}");
        }
    }

    [Test]
    public void TheInputGradientIsThatOfTheLoss()
    {
        using IExecutable executable = _backend.Compile(Sequential.Of(Shape.Vector(2), new Linear(2)),
            new TrainingSpec(1, new MeanSquaredError(), new Sgd()) { InputGradient = true });
        executable.Write(executable.Graph.Parameters[0], [1, 2, 3, 4]);
        executable.Write(executable.Graph.Parameters[1], [1, -1]);
        executable.Forward((float[])[1, 2]);                                   // scores 6, 10
        Assert.That(executable.Loss((float[])[5f, 12f]), Is.EqualTo(2.5));     // (1 + 4) / 2
        executable.Backward();                                        // dscores 1, −2
        var gradient = new float[2];
        executable.ReadInputGradient(gradient);
        Assert.That(gradient, Is.EqualTo(new float[] { -5, -6 }));
    }

    [Test]
    public void SpansMayBeginAtAnyByte([Values(1, 2, 3)] int offset, [Values] bool regression)
    {
        Loss loss = regression ? new MeanSquaredError() : new SoftmaxCrossEntropy();
        using IExecutable aligned = _backend.Compile(Network(batchNorm: true),
            new TrainingSpec(Batch, loss, new Sgd()) { InputGradient = true });
        using IExecutable shifted = _backend.Compile(aligned.Graph, aligned.Spec!);
        aligned.Initialize(new HeNormal(5));
        foreach (Parameter parameter in aligned.Graph.Parameters)
            shifted.Write(parameter, Shifted<float>(aligned.Read(parameter), offset));
        float[] images = Samples.Uniform(Batch * 60, 1), targets = Samples.Uniform(Batch * 3, 2);
        int[] labels = [0, 2, 1, 2];
        float[] expected = Run(aligned, 0), got = Run(shifted, offset);
        Assert.That(got, Is.EqualTo(expected).Within(Tolerance));

        float[] Run(IExecutable net, int at)
        {
            net.Forward(Shifted<float>(images, at));
            double value = regression ? net.Loss(Shifted<float>(targets, at)) : net.Loss(Shifted<int>(labels, at));
            Span<float> scores = Shifted<float>(new float[Batch * 3], at),
                inferred = Shifted<float>(new float[Batch * 3], at), dx = Shifted<float>(new float[images.Length], at);
            net.ReadOutput(scores);
            net.Backward();
            net.ReadInputGradient(dx);
            net.Step(0.1f);
            net.Forward(Shifted<float>(images, at));
            net.Backward(Shifted<float>(targets, at), accumulate: false);
            double trained = regression
                ? net.TrainStep(Shifted<float>(images, at), Shifted<float>(targets, at), 0.1f)
                : net.TrainStep(Shifted<float>(images, at), Shifted<int>(labels, at), 0.1f);
            net.Infer(Shifted<float>(images, at), inferred);
            var all = new List<float>([(float)value, (float)trained, .. scores, .. inferred, .. dx]);
            foreach (Parameter parameter in net.Graph.Parameters)
            {
                Span<float> values = Shifted<float>(new float[parameter.Length], at);
                net.Read(parameter, values);
                all.AddRange(values);
                if (!parameter.Trainable)
                    continue;
                net.ReadGradient(parameter, values);
                all.AddRange(values);
            }
            return [.. all];
        }
    }

    [Test]
    public void SeveralExecutablesLiveSideBySide()
    {
        using IExecutable first = _backend.Compile(Network(), Spec()), second = _backend.Compile(Network(), Spec());
        WriteIntegers(first);
        WriteIntegers(second);
        float[] alone = GradientsOf(first, seed: 1);
        first.Forward(Samples.Integers(Batch * first.Graph.Input.Shape.Length, 1));
        GradientsOf(second, seed: 2);
        first.Backward(Samples.Integers(Batch * 3, 2));
        Assert.That(Gradients(first), Is.EqualTo(alone));
    }

    // libtorch promises no equal bits; the numbers themselves are of the size of one.
    private float Tolerance => backend.Deterministic ? 0 : 1e-6f;

    private static TrainingSpec Spec(int batch = Batch) => new(batch, new MulticlassSvm(), new Sgd());

    private static Graph Network(bool batchNorm = false) => Sequential.Of(new Shape(2, 6, 5), [
        new Conv2d(5, 3, padding: 1), .. batchNorm ? (Layer[])[new BatchNorm2d()] : [], new Relu(),
            new MaxPool2d((2, 1)), new Flatten(), new Linear(3)]);

    private static void WriteIntegers(IExecutable executable)
    {
        foreach (Parameter parameter in executable.Graph.Parameters)
            executable.Write(parameter, Samples.Integers(parameter.Length, 7 + parameter.Length));
    }

    // The same values, so many bytes behind the start of an array.
    private static Span<T> Shifted<T>(T[] values, int bytes)
        where T : unmanaged
    {
        var memory = new byte[values.Length * sizeof(int) + bytes];
        Span<T> shifted = MemoryMarshal.Cast<byte, T>(memory.AsSpan(bytes));
        values.CopyTo(shifted);
        return shifted;
    }

    private static float[] GradientsOf(IExecutable executable, int seed, bool accumulate = false)
    {
        executable.Forward(Samples.Integers(Batch * executable.Graph.Input.Shape.Length, seed));
        executable.Backward(Samples.Integers(Batch * executable.Graph.Output.Shape.Length, seed + 1), accumulate);
        return Gradients(executable);
    }

    private static float[] Gradients(IExecutable executable)
        => [.. executable.Graph.Parameters.Where(p => p.Trainable)
            .SelectMany(p => executable.ReadGradient(p))];
}
