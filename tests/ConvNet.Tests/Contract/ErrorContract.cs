using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>What every backend refuses, and that its messages name the values and the way out.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
[TestFixtureSource(typeof(Backends), nameof(Backends.Shared))]
public sealed class ErrorContract(BackendCase backend)
{
    private const int Batch = 4, Pixels = 2 * 6 * 5;

    private static readonly float[] Images = Samples.Integers(Batch * Pixels, 1);
    private static readonly int[] Labels = [0, 2, 1, 2];

    private IBackend _backend = null!;
    private IExecutable _executable = null!;

    [SetUp]
    public void Compile()
    {
        _backend = backend.Open();
        _executable = _backend.Compile(Network(), Spec);
        _executable.Initialize(new HeNormal(1));
    }

    [TearDown]
    public void Dispose()
    {
        _executable.Dispose();
        _backend.Dispose();
    }

    [Test]
    public void AnImageOfAnotherSize()
        => Refuses<ArgumentException>(() => _executable.Forward(Images.AsSpan(0, Pixels + 1)), "61", "2×6×5", "60");

    [Test]
    public void NoImage() => Refuses<ArgumentException>(() => _executable.Forward((float[])[]), "0 values", "2×6×5");

    [Test]
    public void MoreSamplesThanABatch()
        => Refuses<ArgumentException>(() => _executable.Forward(new float[(Batch + 1) * Pixels]), "5 samples",
            "batch size 4", "several calls");

    [Test]
    public void ALabelOutOfRange([Values(-1, 3)] int label)
    {
        _executable.Forward(Images);
        Refuses<ArgumentException>(() => _executable.Loss((int[])[0, 1, label, 2]), $"Label {label}", "sample 2",
            "0 to 2");
        Refuses<ArgumentException>(() => _executable.TrainStep(Images, (int[])[0, 1, label, 2], 0.1f), $"Label {label}",
            "sample 2", "0 to 2");
    }

    [Test]
    public void AnotherNumberOfLabels()
    {
        _executable.Forward(Images);
        Refuses<ArgumentException>(() => _executable.Loss((int[])[0, 1]), "2 targets", "4 samples");
    }

    [Test]
    public void TargetsForAClassification()
    {
        _executable.Forward(Images);
        Refuses<ArgumentException>(() => _executable.Loss(new float[Batch * 3]), "SoftmaxCrossEntropy", "label");
    }

    [Test]
    public void LabelsForARegression()
    {
        using IExecutable regression = _backend.Compile(Network(), Spec with { Losses = new MeanSquaredError() });
        regression.Initialize(new HeNormal(1));
        regression.Forward(Images);
        Refuses<ArgumentException>(() => regression.Loss(Labels), "MeanSquaredError", "targets");
        Refuses<ArgumentException>(() => regression.Loss(new float[5]), "5 targets", "12");
    }

    [Test]
    public void VerbsOutOfOrder()
    {
        Refuses<InvalidOperationException>(() => _executable.Loss(Labels), "Forward");
        Refuses<InvalidOperationException>(() => _executable.Backward(), "Forward", "Loss");
        Refuses<InvalidOperationException>(() => _executable.Backward(new float[Batch * 3]), "Forward");
        Refuses<InvalidOperationException>(() => _executable.Step(0.1f), "Backward");
        Refuses<InvalidOperationException>(() => _executable.ReadOutput(new float[Batch * 3]), "Forward");
        Refuses<InvalidOperationException>(() => _executable.ReadGradient(_executable.Graph.Parameters[0]),
            "Backward");
        _executable.TrainStep(Images, Labels, 0.1f);
        Refuses<InvalidOperationException>(() => _executable.Backward(), "used it up");
    }

    [Test]
    public void AGradientOfAnotherLength()
    {
        _executable.Forward(Images);
        Refuses<ArgumentException>(() => _executable.Backward(new float[11]), "11 values", "4 samples of 3×1×1", "12");
    }

    [Test]
    public void ALearningRateThatIsNoNumber([Values(float.NaN, float.PositiveInfinity)] float rate)
        => Refuses<ArgumentOutOfRangeException>(() => _executable.TrainStep(Images, Labels, rate), "learning rate",
            "finite");

    [Test]
    public void GradientsThatAreNotKept()
    {
        using IExecutable frugal = _backend.Compile(Network(), Spec with { KeepGradients = false });
        frugal.Initialize(new HeNormal(1));
        frugal.TrainStep(Images, Labels, 0.1f);
        Refuses<InvalidOperationException>(() => frugal.ReadGradient(frugal.Graph.Parameters[0]),
            "KeepGradients: false");
        Refuses<InvalidOperationException>(() => frugal.Step(0.1f), "Backward first", "KeepGradients: false");
    }

    [Test]
    public void AnInputGradientThatWasNotAskedFor()
    {
        _executable.TrainStep(Images, Labels, 0.1f);
        Refuses<InvalidOperationException>(() => _executable.ReadInputGradient(new float[Images.Length]),
            "InputGradient: true");
    }

    [Test]
    public void TheGradientOfABuffer()
    {
        _executable.TrainStep(Images, Labels, 0.1f);
        Refuses<ArgumentException>(() => _executable.ReadGradient(_executable.Graph.Parameters.First(
            p => !p.Trainable)), "bn1.running_mean", "buffer");
    }

    [Test]
    public void TwoGraphsMixed()
    {
        using IExecutable other = _backend.Compile(Network(), Spec);
        Refuses<ArgumentException>(() => _executable.Write(other.Graph.Parameters[0], new float[90]), "conv1.weight",
            "another graph");
        Refuses<ArgumentException>(() => _executable.CopyParametersTo(other), "another graph");
    }

    [Test]
    public void AParameterOfAnotherLength()
        => Refuses<ArgumentException>(() => _executable.Write(_executable.Graph.Parameters[0], new float[7]),
            "7 values", "conv1.weight (5×2×3×3)", "90");

    [Test]
    public void ScoresOfAnotherLength()
        => Refuses<ArgumentException>(() => _executable.Infer(Images, new float[11]), "11 values", "4 samples", "12");

    [Test]
    public void TrainingAnInferenceExecutable()
    {
        using IExecutable inference = _backend.CompileInference(Network(), Batch);
        Refuses<InvalidOperationException>(() => inference.Forward(Images), "inference only", "Compile");
        Refuses<InvalidOperationException>(() => inference.TrainStep(Images, Labels, 0.1f), "inference only",
            "Compile");
    }

    [Test]
    public void AnEmptyBatch()
    {
        Refuses<ArgumentOutOfRangeException>(() => _backend.Compile(Network(), Spec with { BatchSize = 0 }), "0");
        Refuses<ArgumentOutOfRangeException>(() => _backend.CompileInference(Network(), -3), "-3");
    }

    [Test]
    public void AGraphThatIsNotWhole()
    {
        Refuses<ArgumentException>(() => _backend.Compile(new Graph(new Shape(1, 2, 2)), Spec), "no layers");
        var loose = new Graph(new Shape(1, 4, 4));
        loose.Add("left", new Relu(), loose.Input);
        loose.Add("right", new Relu(), loose.Input);
        Refuses<ArgumentException>(() => _backend.Compile(loose, Spec), "left", "right", "SetOutputs");
        loose.SetOutput(loose["right"]);
        Refuses<ArgumentException>(() => _backend.Compile(loose, Spec), "left", "not used");
    }

    [Test]
    public void AGraphThatWasRefusedTakesMoreLayers()
    {
        Graph graph = Network();
        Refuses<ArgumentOutOfRangeException>(
            () => _backend.Compile(graph, Spec with { BatchSize = 0 }), "batch size is 0", "at least 1");
        Assert.That(() => graph.Add(new Relu(), graph.Output), Throws.Nothing);
    }

    [Test]
    public void LayersAddedToACompiledGraph()
        => Refuses<InvalidOperationException>(() => _executable.Graph.Add(new Relu(), _executable.Graph.Output),
            "compiled", "new graph");

    [Test]
    public void UseAfterDispose()
    {
        _executable.Dispose();
        Refuses<ObjectDisposedException>(() => _executable.Forward(Images), "executable is disposed");
        Refuses<ObjectDisposedException>(() => _executable.Read(_executable.Graph.Parameters[0]),
            "executable is disposed");
        Assert.That(_executable.Dispose, Throws.Nothing, "a second time");
    }

    [Test]
    public void ADisposedBackend()
    {
        _backend.Dispose();
        Refuses<ObjectDisposedException>(() => _executable.Forward(Images), "backend");
        Refuses<ObjectDisposedException>(() => _backend.Compile(Network(), Spec), "Backend");
        Refuses<ObjectDisposedException>(() => _backend.CompileInference(Network(), 1), "Backend");
    }

    [Test]
    public void TwoCallersAtOnce()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        Exception? refused = null;
        void Hammer()
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    _executable.Forward(Images);
                }
                catch (InvalidOperationException error)
                {
                    refused = error;
                    stop.Cancel();
                }
            }
        }
        Task.WaitAll(Task.Run(Hammer), Task.Run(Hammer));
        Assert.That(refused?.Message, Does.Contain("another caller").And.Contain("one executable for each caller"));
        Assert.That(() => _executable.TrainStep(Images, Labels, 0.1f), Throws.Nothing, "the executable goes on");
    }

    [Test]
    public void ADisposalWhileOthersTrain()
    {
        for (int run = 0; run < 20; run++)
        {
            IExecutable net = _backend.Compile(Network(), Spec);
            net.Initialize(new HeNormal(1));
            using var started = new ManualResetEventSlim();
            int steps = 0;
            Task<Exception> training = Task.Run(() =>
            {
                while (true)
                {
                    try
                    {
                        net.TrainStep(Images, Labels, 0.1f);
                        steps++;
                    }
                    catch (Exception end)
                    {
                        return end;
                    }
                    started.Set();
                }
            });
            started.Wait();
            Exception? refused = null;
            for (bool disposed = false; !disposed;)
            {
                try
                {
                    net.Dispose();
                    disposed = true;
                }
                catch (Exception error)
                {
                    refused = error;
                }
            }
            Assert.That(training.Result, Is.TypeOf<ObjectDisposedException>(),
                "the call that came too late; all others ended well");
            Assert.That(refused, Is.Null.Or.TypeOf<InvalidOperationException>());
            Assert.That(steps, Is.Positive);
        }
    }

    [Test]
    public void ABackendDisposedWhileItTrains()
    {
        using var started = new ManualResetEventSlim();
        Task<Exception> training = Task.Run(() =>
        {
            while (true)
            {
                try
                {
                    _executable.TrainStep(Images, Labels, 0.1f);
                    started.Set();
                }
                catch (Exception end)
                {
                    return end;
                }
            }
        });
        started.Wait();
        Assert.That(_backend.Dispose, Throws.Nothing);
        Assert.That(training.Result, Is.TypeOf<ObjectDisposedException>().With.Message.Contains("backend"));
    }

    [Test]
    public void StepsOfTwoCallersAreWhole()
    {
        int done = 0;
        void Train()
        {
            for (int step = 0; step < 200; step++)
            {
                try
                {
                    _executable.TrainStep(Images, Labels, 0.1f);
                    Interlocked.Increment(ref done);
                }
                catch (InvalidOperationException)
                {
                }
            }
        }
        Task.WaitAll(Task.Run(Train), Task.Run(Train));
        using IExecutable alone = _backend.Compile(_executable.Graph, Spec);
        alone.Initialize(new HeNormal(1));
        for (int step = 0; step < done; step++)
            alone.TrainStep(Images, Labels, 0.1f);
        foreach (Parameter parameter in alone.Graph.Parameters)
            Assert.That(_executable.Read(parameter), Is.EqualTo(alone.Read(parameter))
                .Within(backend.Deterministic ? 0 : 1e-3f), parameter.Name);
    }

    [Test]
    public void ANodeThatIsNotThere()
        => Refuses<KeyNotFoundException>(() => _ = Network()["covn1"], "covn1", "did you mean \"conv1\"",
            "it has input");

    [Test]
    public void AParameterGroupOfParametersThatAreNotThere()
    {
        IExecutable Compile(params ParameterGroup[] groups)
            => _backend.Compile(Network(), Spec with { Optimizer = new Sgd { Groups = groups } });
        Refuses<ArgumentException>(() => Compile(new("conv1.bias"), new("linear1.bais")),
            "linear1.bais", "parameter group", "did you mean \"linear1.bias\"");
        Refuses<ArgumentException>(() => Compile(new ParameterGroup("Linear1.Weight")), "linear1.weight");
        Refuses<ArgumentException>(() => Compile(new ParameterGroup("something else")), "something else",
            "there are conv1.weight, conv1.bias");
        Refuses<ArgumentException>(() => Compile(new ParameterGroup("conv?.bias", "*.running_mean")), "*.running_mean",
            "bn1.running_mean", "buffer", "remove it");
        Refuses<ArgumentException>(() => Compile(new("*.bias"), new("conv1.bias")), "conv1.bias", "earlier group");
        Refuses<ArgumentException>(() => _ = new ParameterGroup("*.bias", ""), "empty", "conv1.bias");
        Refuses<ArgumentException>(() => _ = new ParameterGroup(), "patterns");
        Refuses<ArgumentOutOfRangeException>(() => _ = new ParameterGroup("*") { LearningRateFactor = -1 }, "-1");
        Refuses<ArgumentOutOfRangeException>(() => _ = new ParameterGroup("*") { WeightDecay = float.NaN }, "NaN");
        Assert.That(() => Compile(new("conv1.bias", "bn1.*"), new("*.bias")).Dispose(), Throws.Nothing);
    }

    [Test]
    public void ParametersThatNobodyWrote()
    {
        string[] says =
            ["conv1.weight, conv1.bias", "linear1.bias have", "Initialize", "SavedModel", "LoadState", "Write"];
        using IExecutable fresh = _backend.Compile(Network(), Spec),
            inference = _backend.CompileInference(fresh.Graph, Batch);
        Refuses<InvalidOperationException>(() => fresh.Forward(Images), says);
        Refuses<InvalidOperationException>(() => fresh.TrainStep(Images, Labels, 0.1f), says);
        Refuses<InvalidOperationException>(() => fresh.Infer(Images, new float[Batch * 3]), says);
        Refuses<InvalidOperationException>(() => inference.Infer(Images, new float[Batch * 3]), says);
        Refuses<InvalidOperationException>(() => fresh.CopyParametersTo(inference), says);
        using (var folder = new TemporaryFolder())
        {
            string path = Path.Combine(folder.Path, "zeros.safetensors");
            Refuses<InvalidOperationException>(() => ConvNet.Serialization.SavedModel.Save(path, fresh), says);
            Assert.That(path, Does.Not.Exist);
        }
        foreach (Parameter parameter in fresh.Graph.Parameters.Where(p => p.Trainable))
        {
            Refuses<InvalidOperationException>(() => fresh.Forward(Images), parameter.Name);
            fresh.Write(parameter, Samples.ParameterValues(parameter, 1));
        }
        Assert.That(() => fresh.TrainStep(Images, Labels, 0.1f), Throws.Nothing);
        fresh.CopyParametersTo(inference);
        Assert.That(() => inference.Infer(Images, new float[Batch * 3]), Throws.Nothing);
    }

    [Test]
    public void BuffersHaveInitialValues()
    {
        using IExecutable net = _backend.CompileInference(Network(), Batch);
        Assert.That(net.Read(net.Graph["bn1"].Parameters[2]), Is.All.Zero);
        Assert.That(net.Read(net.Graph["bn1"].Parameters[3]), Is.All.EqualTo(1));
    }

    [Test]
    public void ARefusedCallLeavesThePassAsItIs()
    {
        _executable.Forward(Images);
        Assert.That(() => _executable.Forward(Images.AsSpan(1).ToArray()), Throws.ArgumentException);
        Assert.That(() => _executable.Loss((int[])[0, 1, 2, 3]), Throws.ArgumentException);
        Assert.That(_executable.Loss(Labels), Is.Positive);
        Assert.That(() => _executable.Backward(new float[1]), Throws.ArgumentException);
        Assert.That(() => _executable.Backward(), Throws.Nothing);
    }

    private static TrainingSpec Spec => new(Batch, new SoftmaxCrossEntropy(), new Sgd());

    private static Graph Network() => Sequential.Of(new Shape(2, 6, 5),
        new Conv2d(5, 3, padding: 1), new BatchNorm2d(), new Relu(), new MaxPool2d((2, 1)), new Flatten(),
            new Linear(3));

    private static void Refuses<TException>(Action call, params string[] says) where TException : Exception
    {
        TException error = Assert.Throws<TException>(call)!;
        foreach (string part in says)
            Assert.That(error.Message, Does.Contain(part).IgnoreCase);
    }
}
