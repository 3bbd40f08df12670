using NUnit.Framework;
using TorchSharp;
using static TorchSharp.torch;

namespace ConvNet.Tests.Torch;

/// <summary>An application that uses TorchSharp itself, in one process with the backend: neither disturbs the
/// other.</summary>
[TestFixture]
[NonParallelizable]
public sealed class TorchBesideTests
{
    private const int Batch = 4;

    /// <summary>What an application may have set when it calls.</summary>
    public enum Setting { Nothing, Threads, NoGrad, InferenceMode, DefaultType, DefaultDevice, Scope }

    [Test]
    public void ResultsDoNotDependOnWhatTheApplicationSet([Values] Setting setting)
    {
        float[] expected = Run();
        using (Set(setting))
            Assert.That(Run(), Is.EqualTo(expected));
    }

    [Test]
    public void WhatTheApplicationSetIsUntouched([Values] Setting setting)
    {
        using Tensor own = torch.arange(12, ScalarType.Float32, CPU);
        using Tensor generator = random.get_rng_state();
        using Reset set = Set(setting);
        object before = State();
        Run();
        Assert.That(State(), Is.EqualTo(before));
        using Tensor after = random.get_rng_state();
        Assert.That(after.bytes.ToArray(), Is.EqualTo(generator.bytes.ToArray()));
        Assert.That(own.data<float>().ToArray(), Is.EqualTo(Enumerable.Range(0, 12)));
    }

    [Test]
    public void AnApplicationsScopeGetsNoTensorOfTheBackend()
    {
        using DisposeScope scope = NewDisposeScope();
        using var backend = new TorchSharpBackend(threads: 1);
        using IExecutable net = Train(backend);
        net.TrainStep(Images, Labels, 0.1f);
        Assert.That(scope.DisposablesCount, Is.Zero);
        // And frees none of them.
        scope.DisposeEverything();
        net.TrainStep(Images, Labels, 0.1f);
    }

    [Test]
    public void ACallComputesOnItsOwnNumberOfThreads([Values(1, 2, 3)] int threads)
    {
        int before = get_num_threads();
        using (new TorchScope(threads))
            Assert.That(get_num_threads(), Is.EqualTo(threads));
        Assert.That(get_num_threads(), Is.EqualTo(before));
    }

    [Test]
    public void AnApplicationTrainsANetworkOfItsOwnInBetween()
    {
        float[] expected = Own(() => { });
        using var backend = new TorchSharpBackend(threads: 1);
        using IExecutable net = Train(backend);
        Assert.That(Own(() => net.TrainStep(Images, Labels, 0.1f)), Is.EqualTo(expected));
    }

    // A regression by hand: the backend has a turn between forward, backward and step.
    private static float[] Own(Action turn)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = arange(6, ScalarType.Float32, CPU).reshape(3, 2), w = ones(2, 1).requires_grad_();
        for (int i = 0; i < 3; i++)
        {
            Tensor loss = x.matmul(w).square().mean();
            turn();
            loss.backward();
            turn();
            using (no_grad())
                w.sub_(w.grad!.mul(0.01f));
            w.grad = null;
        }
        return w.data<float>().ToArray();
    }

    // Compiles, trains and infers; what comes out.
    private static float[] Run()
    {
        using var backend = new TorchSharpBackend(threads: 1);
        using IExecutable net = Train(backend);
        for (int step = 0; step < 3; step++)
            net.TrainStep(Images, Labels, 0.1f);
        var scores = new float[Batch * 5];
        net.Infer(Images, scores);
        var results = new List<float>(scores);
        foreach (Parameter parameter in net.Graph.Parameters)
        {
            var values = new float[parameter.Length];
            net.Read(parameter, values);
            results.AddRange(values);
            if (!parameter.Trainable)
                continue;
            net.ReadGradient(parameter, values);
            results.AddRange(values);
        }
        return [.. results];
    }

    private static IExecutable Train(TorchSharpBackend backend)
    {
        Graph graph = Sequential.Of(new Shape(2, 8, 8), new Conv2d(16, 3, padding: 1), new BatchNorm2d(), new Relu(),
            new Conv2d(8, 3),
            new MaxPool2d(2), new Dropout(0.25f), new Flatten(), new Linear(5));
        IExecutable net =
            backend.Compile(graph, new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Sgd(momentum: 0.9f)));
        net.Initialize(new HeNormal(1));
        return net;
    }

    private static object State() =>
        (get_num_threads(), is_grad_enabled(), is_inference_mode_enabled(), get_default_dtype(), get_default_device()
            .ToString());

    private static Reset Set(Setting setting)
    {
        int threads = get_num_threads();
        ScalarType type = get_default_dtype();
        Device device = get_default_device();
        switch (setting)
        {
            case Setting.Threads:
                set_num_threads(threads + 1);
                break;
            case Setting.DefaultType:
                set_default_dtype(ScalarType.Float64);
                break;
            case Setting.DefaultDevice:
                set_default_device(META);
                break;
        }
        IDisposable? mode = setting switch
        {
            Setting.NoGrad => no_grad(),
            Setting.InferenceMode => inference_mode(),
            Setting.Scope => NewDisposeScope(),
            _ => null,
        };
        return new Reset(() =>
        {
            mode?.Dispose();
            set_num_threads(threads);
            set_default_dtype(type);
            set_default_device(device);
        });
    }

    private static float[] Images { get; } = [.. Enumerable.Range(0, Batch * 2 * 8 * 8).Select(i => i % 7 - 3f)];

    private static int[] Labels { get; } = [0, 2, 4, 1];

    private sealed class Reset(Action action) : IDisposable
    {
        public void Dispose() => action();
    }
}
