using ConvNet.Serialization;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>Gradients are reported in buckets while the backward pass goes on, and can be changed there.</summary>
[TestFixtureSource(typeof(Backends), nameof(Backends.All))]
[TestFixtureSource(typeof(Backends), nameof(Backends.Shared))]
public sealed class GradientReadyContract(BackendCase backend)
{
    private const int Batch = 4;

    private static readonly int[] Labels = [0, 2, 1, 2];

    private IBackend _backend = null!;

    // Torch promises no equal bits from run to run.
    private float Tolerance => backend.Deterministic ? 0 : 1e-5f;

    private bool IsTorch => backend.Name.StartsWith("torchsharp", StringComparison.Ordinal);

    [SetUp]
    public void Open() => _backend = backend.Open();

    [TearDown]
    public void Close() => _backend.Dispose();

    [Test]
    public void EveryGradientIsReportedOnceFromTheLastToTheFirst(
        [Values(1, 2_000, 25 << 20)] int bytes, [Values] bool accumulate, [Values] bool trainStep)
    {
        using IExecutable net = Make(Spec() with { GradientBucketBytes = bytes });
        Parameter[] trained = [.. net.Graph.Nodes.Reverse().SelectMany(node => node.Parameters)
            .Where(p => p.Trainable)];
        for (int pass = 0; pass < 2; pass++)
        {
            var reported = new List<Parameter>();
            var values = new Dictionary<Parameter, float[]>();
            int buckets = 0;
            net.GradientReady = bucket =>
            {
                Assert.That(bucket.Index, Is.EqualTo(buckets++));
                int inBucket = 0;
                foreach (Parameter p in bucket.Parameters)
                {
                    reported.Add(p);
                    values[p] = new float[p.Length];
                    bucket.Read(p, values[p]);
                    inBucket += p.Length;
                }
                Assert.That(bucket.Values.Length, Is.AtLeast(inBucket));
                Assert.That(bucket.Parameters.Count == 1 || sizeof(float) * inBucket <= bytes);
                Assert.That(bucket.Index, Is.LessThan(bucket.Count));
                // What lies between is zero.
                double all = 0, own = 0;
                foreach (float g in bucket.Values)
                    all += Math.Abs((double)g);
                foreach (Parameter p in bucket.Parameters)
                    own += values[p].Sum(g => Math.Abs((double)g));
                Assert.That(all, Is.EqualTo(own).Within(1e-9 * own));
            };
            Run(net, pass, accumulate, trainStep);
            Assert.That(reported, Is.EqualTo(trained));
            Assert.That(buckets, bytes == 1 ? Is.EqualTo(trained.Length) : bytes > 2_000 ? Is.EqualTo(1)
                : Is.InRange(2, trained.Length - 1));
            foreach (Parameter p in trained)
                Assert.That(values[p], Is.EqualTo(net.ReadGradient(p)), p.Name);
        }
    }

    [Test]
    public void WhatIsReportedIsWhatIsComputedWithout([Values] bool accumulate, [Values(1, 25 << 20)] int bytes)
    {
        using IExecutable net = Make(Spec() with { GradientBucketBytes = bytes }), plain = Make(Spec());
        net.GradientReady = _ => { };
        for (int pass = 0; pass < 3; pass++)
        {
            foreach (IExecutable each in (IExecutable[])[net, plain])
                Run(each, pass, accumulate, trainStep: false);
            foreach ((Parameter p, Parameter other) in net.Graph.Parameters.Zip(plain.Graph.Parameters)
                .Where(pair => pair.First.Trainable))
                Assert.That(net.ReadGradient(p),
                    Is.EqualTo(plain.ReadGradient(other)).Within(Tolerance), p.Name);
        }
        // Without the callback again, also behind passes with it.
        net.GradientReady = null;
        foreach (IExecutable each in (IExecutable[])[net, plain])
        {
            Run(each, 3, accumulate, trainStep: false);
            each.Step(0.1f);
        }
        foreach ((Parameter p, Parameter other) in net.Graph.Parameters.Zip(plain.Graph.Parameters))
            Assert.That(net.Read(p), Is.EqualTo(plain.Read(other)).Within(Tolerance), p.Name);
    }

    [Test]
    public void TheFirstBucketsComeWhileThePassGoesOn()
    {
        if (IsTorch)
        {
            using IExecutable torch = Make(Spec() with { GradientBucketBytes = 1 });
            var inside = new List<bool>();
            torch.GradientReady = _
                => inside.Add(Environment.StackTrace.Contains("torch.autograd.", StringComparison.Ordinal));
            Run(torch, 1, accumulate: false, trainStep: false);
            Assert.That(inside, Is.Ordered.Descending, "from within autograd, then at the end");
            Assert.That(inside.Count(each => each), Is.AtLeast(inside.Count - 2), "all but those of the first layer");
            return;
        }
        var events = new List<string>();
        var graph = new Graph(new Shape(2, 6, 5));
        Node first = graph.Add(new Conv2d(5, 3), graph.Input);
        Node middle = graph.Add(new Noting(events), first);
        graph.Add(new Linear(3), graph.Add(new Flatten(), graph.Add(new Conv2d(7, 3), middle)));
        using IExecutable net = _backend.Compile(graph, Spec() with { GradientBucketBytes = 1 });
        net.Initialize(new HeNormal(5));
        net.GradientReady = bucket => events.Add(bucket.Parameters[0].Name);
        Run(net, 1, accumulate: false, trainStep: false);
        // The gradients of several ranks are final when they have been added up, after the pass of this rank.
        Assert.That(events, Is.EqualTo(backend.SharesBatches
            ? (string[])["noting", "linear1.weight", "linear1.bias", "conv2.weight", "conv2.bias", "conv1.weight",
                "conv1.bias"]
            : ["linear1.weight", "linear1.bias", "conv2.weight", "conv2.bias", "noting", "conv1.weight",
                "conv1.bias"]));
    }

    [Test]
    public void AStepTakesWhatTheCallbackMakesOfTheGradients([Values] bool trainStep, [Values] bool byName)
    {
        using IExecutable net = Make(Spec() with { GradientBucketBytes = 1_000 }), plain = Make(Spec());
        net.GradientReady = bucket =>
        {
            for (int i = 0; i < bucket.Values.Length && !byName; i++)
                bucket.Values[i] *= 0.5f;
            foreach (Parameter p in bucket.Parameters.Where(_ => byName))
            {
                var values = new float[p.Length];
                bucket.Read(p, values);
                bucket.Write(p, Array.ConvertAll(values, g => g * 0.5f));
            }
        };
        Run(net, 1, accumulate: false, trainStep, 0.25f);
        Run(plain, 1, accumulate: false, trainStep: false);
        plain.ScaleGradients(0.5f);
        plain.Step(0.25f);
        if (!trainStep)
            net.Step(0.25f);
        foreach ((Parameter p, Parameter other) in net.Graph.Parameters.Zip(plain.Graph.Parameters))
            Assert.That(net.Read(p), Is.EqualTo(plain.Read(other)).Within(Tolerance), p.Name);
    }

    [Test]
    public void ExecutablesThatShareABatchAverageValueByValue()
    {
        using IExecutable whole = Make(Spec(), norms: false);
        using IExecutable left = Make(Spec() with { GradientBucketBytes = 1_500 }, norms: false),
            right = Make(left.Spec!, norms: false);
        right.SampleOffset = Batch / 2;
        var sent = new List<float[]>();
        left.GradientReady = bucket => sent.Add(bucket.Values.ToArray());
        right.GradientReady = bucket =>
        {
            for (int i = 0; i < bucket.Values.Length; i++)
                bucket.Values[i] = (bucket.Values[i] + sent[bucket.Index][i]) / 2;
        };
        int half = Batch / 2 * whole.Graph.Input.Shape.Length;
        float[] input = Samples.Uniform(2 * half, 4);
        whole.TrainStep(input, Labels, 0.1f);
        left.TrainStep(input.AsSpan(0, half), Labels.AsSpan(0, Batch / 2), 0.1f);
        right.TrainStep(input.AsSpan(half), Labels.AsSpan(Batch / 2), 0.1f);
        foreach (Parameter p in whole.Graph.Parameters)
        {
            Parameter own = right.Graph.Parameters[whole.Graph.Parameters.ToList().IndexOf(p)];
            Assert.That(right.Read(own), Is.EqualTo(whole.Read(p)).Within(1e-6), p.Name);
        }
    }

    [Test]
    public void AnExceptionOfTheCallbackUndoesThePass([Values] bool trainStep, [Values] bool accumulate,
        [Values(0, 3)] int bucket)
    {
        using IExecutable net = Make(Spec() with { GradientBucketBytes = 1 });
        Run(net, 1, accumulate: false, trainStep: false);
        TrainingState before = net.SaveState();
        int reported = 0;
        net.GradientReady = at =>
        {
            reported++;
            at.Values.Fill(7);
            if (at.Index == bucket)
                throw new OvenException(bucket);
        };
        Assert.That(() => Run(net, 2, accumulate, trainStep), Throws.TypeOf<OvenException>());
        Assert.That(reported, Is.EqualTo(bucket + 1), "nothing is reported behind it");
        SmallTraining.AssertEqual(net.SaveState() with { Pass = before.Pass }, before, 0);
        Assert.That(() => net.Step(1), Throws.InvalidOperationException);
        Assert.That(() => net.ReadGradient(net.Graph.Parameters[0]), Throws.InvalidOperationException);
        net.GradientReady = null;
        using IExecutable other = _backend.Compile(net.Graph, net.Spec!);
        other.LoadState(net.SaveState());
        foreach (IExecutable each in (IExecutable[])[net, other])
            Run(each, 3, accumulate: false, trainStep: true);
        SmallTraining.AssertEqual(net.SaveState(), other.SaveState(), Tolerance);
    }

    [Test]
    public void TheCallbackCannotUseTheExecutable()
    {
        using IExecutable net = Make(Spec());
        var refused = new List<string>();
        net.GradientReady = bucket =>
        {
            Parameter p = bucket.Parameters[0], other = net.Graph.Parameters[2];
            foreach (Action call in (Action[])[() => net.Step(1), () => net.Backward(), () => net.Read(p),
                () => net.GradientReady = null, () => net.SaveState(), net.Dispose])
                refused.Add(Assert.Throws<InvalidOperationException>(() => call())!.Message);
            string elsewhere = "";
            try
            {
                bucket.Write(other, new float[other.Length]);
            }
            catch (ArgumentException error)
            {
                elsewhere = error.Message;
            }
            Assert.That(elsewhere, bucket.Parameters.Contains(other) ? Is.Empty : Does.Contain("not in this bucket"));
        };
        Run(net, 1, accumulate: false, trainStep: false);
        Assert.That(refused, Has.Count.EqualTo(6));
        Assert.That(refused.Take(5), Is.All.Contains("GradientReady"));
    }

    [Test]
    public void WithoutKeptGradientsThereIsNothingToReport()
    {
        Graph graph = Network(true);
        using IExecutable fused = _backend.Compile(graph, Spec() with { KeepGradients = false }),
            inference = _backend.CompileInference(graph, 1);
        Assert.That(() => fused.GradientReady = _ => { }, Throws.InvalidOperationException
            .With.Message.Contains("KeepGradients"));
        Assert.That(() => inference.GradientReady = _ => { }, Throws.InvalidOperationException);
        Assert.That(() => fused.GradientReady = null, Throws.Nothing);
        Assert.That(() => Spec() with { GradientBucketBytes = 0 }, Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void FrozenParametersAreNotReported([Values(1, 25 << 20)] int bytes)
    {
        using IExecutable net = Make(Spec() with { GradientBucketBytes = bytes });
        var reported = new List<string>();
        net.GradientReady = bucket => reported.AddRange(bucket.Parameters.Select(p => p.Name));
        net.Freeze("conv*.*", "bn1.bias");
        Run(net, 1, accumulate: false, trainStep: false);
        Assert.That(reported, Is.EqualTo(new[] { "linear1.weight", "linear1.bias", "bn1.weight" }));
        reported.Clear();
        net.Unfreeze("conv2.*");
        Run(net, 2, accumulate: false, trainStep: false);
        Assert.That(reported, Is.EqualTo(new[]
        {
            "linear1.weight", "linear1.bias", "conv2.weight", "conv2.bias", "bn1.weight",
        }));
    }

    private IExecutable Make(TrainingSpec spec, bool norms = true)
    {
        IExecutable net = _backend.Compile(Network(norms), spec);
        net.Initialize(new HeNormal(5));
        return net;
    }

    private static TrainingSpec Spec() => new(Batch, new SoftmaxCrossEntropy(), new Sgd(0.9f)) { Seed = 7 };

    private static void Run(IExecutable net, int seed, bool accumulate, bool trainStep, float rate = 0.01f)
    {
        float[] input = Samples.Uniform(Batch * net.Graph.Input.Shape.Length, seed);
        if (trainStep)
        {
            net.TrainStep(input, Labels, rate);
            return;
        }
        net.Forward(input);
        net.Loss(Labels);
        net.Backward(accumulate);
    }

    private static Graph Network(bool norms)
    {
        var graph = new Graph(new Shape(2, 6, 5));
        Node x = graph.Add(new Conv2d(17, 3, padding: 1), graph.Input);
        if (norms)
            x = graph.Add(new BatchNorm2d(), x);
        x = graph.Add(new Dropout(0.25f), graph.Add(new Relu(), x));
        Node branch = graph.Add(new Conv2d(17, 3, groups: 17, padding: 1), x);
        x = graph.Add(new Add(), branch, x);
        graph.Add(new Linear(3), graph.Add(new Flatten(), x));
        return graph;
    }

    /// <summary>y = x; says when its backward pass runs.</summary>
    private sealed record Noting(List<string> Events) : Layer
    {
        public override string Kind => "noting";

        public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

        public override BackwardReads BackwardReads => BackwardReads.None;

        public override void Forward<T>(in Frame<T> f) => f.X(0).CopyTo(f.Y);

        public override void Backward<T>(in Frame<T> f)
        {
            Events.Add(Kind);
            f.DY.CopyTo(f.DX(0));
        }
    }
}
