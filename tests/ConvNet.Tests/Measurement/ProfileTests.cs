using System.Text.Json;
using ConvNet.Measurement;
using ConvNet.Measurement.Workers;
using ConvNet.Models;
using ConvNet.Profiling;
using ConvNet.Tests.Native;
using NUnit.Framework;

namespace ConvNet.Tests.Measurement;

/// <summary>Where the time of a network goes. No test looks at how long anything took, but that it took some
/// time.</summary>
public sealed class ProfileTests
{
    private static readonly LayerProfile Part = new("conv1", "conv", ["relu1"], ProfiledPass.BackwardWeights,
        "conv backward weights", "direct", "", "1×2×2 → 1×2×2", 4000, 1000, 2);

    private static (Response Prepared, Response Profiled) Profile(string backend, string model, string pass, int batch,
        int spans = 0)
    {
        Request[] requests =
        [
            new Request(Order.Prepare) { Model = model, Batch = batch, Pass = pass, Threads = 2 },
            new Request(Order.Profile) { Spans = spans },
        ];
        using var input = new StringReader(string.Concat(requests.Select(request => Protocol.Line(request) + "\n")));
        using var output = new StringWriter();
        WorkerLoop.Serve(backend, (name, shape) => BuiltInModels.Create(name, shape), input, output);
        Response[] responses = [.. output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(Protocol.Read<Response>)];
        return (responses[0], responses[1]);
    }

    private static NetworkProfile ProfileOf(string backend, string model, string pass, int batch, int spans = 0)
    {
        Response response = Profile(backend, model, pass, batch, spans).Profiled;
        Assert.That(response.Error, Is.Null);
        return response.Profile!;
    }

    [Test]
    public void EveryLayerAppearsAndTheOperationsAreThoseOfTheWorkload(
        [Values("native", "managed")] string backend, [Values("lenet5", "resnet20")] string model,
            [Values("train", "infer")] string pass)
    {
        (Response prepared, Response profiled) = Profile(backend, model, pass, batch: 2);
        Assert.That(profiled.Error, Is.Null);
        NetworkProfile profile = profiled.Profile!;
        IEnumerable<string> nodes = BuiltInModels.Create(model).Nodes.Where(node => node.Layer is not (null or Flatten))
            .Select(node => node.Name);
        Assert.Multiple(() =>
        {
            Assert.That(nodes, Is.SubsetOf(profile.Layers.SelectMany(layer => layer.Fused.Prepend(layer.Node))));
            Assert.That(profile.Flops, Is.EqualTo(prepared.Operations));
            Assert.That(profile.Calls, Is.GreaterThanOrEqualTo(3));
            Assert.That(profile.Layers.Select(layer => layer.Calls), Is.All.EqualTo(profile.Calls));
            Assert.That(profile.Layers.Select(layer => layer.MedianMs), Is.All.Positive);
            Assert.That(profile.Layers.Select(layer => layer.TotalMs / layer.MedianMs), Is.All.GreaterThanOrEqualTo(1));
            Assert.That(profile.Layers.Select(layer => layer.Bytes), Is.All.Positive);
            Assert.That(profile.Layers.Select(layer => layer.Shape), Is.All.Not.Null);
            Assert.That(profile.BetweenMs, Is.Positive, "the parts lie within the calls");
            Assert.That(profile.TotalMs, Is.GreaterThanOrEqualTo(profile.MedianMs).And.GreaterThan(profile.BetweenMs));
        });
    }

    [Test]
    public void TrainingHasAllItsPasses()
    {
        ProfiledPass[] Of(string backend, string model)
            => [.. ProfileOf(backend, model, "train", 2).Layers.Select(layer => layer.Pass).Distinct()];
        ProfiledPass[] usual = [ProfiledPass.Forward, ProfiledPass.Loss, ProfiledPass.BackwardData,
            ProfiledPass.BackwardWeights, ProfiledPass.Backward, ProfiledPass.Update];
        Assert.That(Of("managed", "resnet20"), Is.EquivalentTo(usual));
        Assert.That(Of("native", "resnet20"), Is.EquivalentTo(usual.Append(ProfiledPass.Reorder)));
        Assert.That(Of("native", "lenet5"), Has.None.EqualTo(ProfiledPass.Update),
            "each layer takes the optimiser's step inside its weight gradient");
    }

    [Test]
    public void TheNativePartsAreTheCallsOfThePlan([Values] bool keepGradients, [Values] bool training,
        [Values] bool winograd)
    {
        using var backend = new NativeBackend(2) { Algorithm = winograd ? SumAlgorithm.Winograd4 : null };
        Graph graph = BuiltInModels.Create("resnet20");
        using NativePlan net = training
            ? backend.Compile(graph,
                new TrainingSpec(2, new SoftmaxCrossEntropy(), new Sgd(0.9f)) { KeepGradients = keepGradients })
            : backend.CompileInference(graph, 2);
        net.Initialize(new HeNormal(1));
        float[] images = NativeRun.Values(2 * graph.Input.Shape.Length, seed: 1), scores = new float[20];
        using Recording recording = net.Record();
        recording.Call(() => Run(net, images, scores));
        LayerProfile[] layers = [.. recording.Profile().Layers];
        PlanDescription plan = net.Explain();
        Assert.Multiple(() =>
        {
            Assert.That(
                layers.Select(layer
                => (layer.Title, layer.Kernel, layer.Algorithm, layer.Reason, layer.Flops, layer.Bytes, layer.Threads)),
                Is.EquivalentTo(
                    plan.Layers.SelectMany(
                    layer => layer.Calls.Select(call => (layer.Title, call.Kernel, call.Algorithm, call.Reason,
                    call.Flops, call.Bytes, call.Threads)))));
            foreach (Node conv in graph.Nodes.Where(node => node.Layer is Conv2d))
                Assert.That(layers.First(layer => layer.Node == conv.Name && layer.Pass == ProfiledPass.Forward)
                    .Algorithm.Contains("F(4×4", StringComparison.Ordinal),
                    Is.EqualTo(net.AlgorithmOf(conv, SumPass.Forward) == SumAlgorithm.Winograd4), conv.Name);
        });
    }

    [Test]
    public void BytesAreWhatMustBeReadAndWritten()
    {
        // 32 features to 48: dense by itself, so that its input has no gradient and its weights take their step inside
        // their gradient.
        Graph graph = Sequential.Of(new Shape(32, 1, 1), new Linear(48));
        var spec = new TrainingSpec(16, new SoftmaxCrossEntropy(), new Sgd(0.9f)) { KeepGradients = false };
        const int X = 16 * 32, Y = 16 * 48, W = 32 * 48, B = 48;
        IEnumerable<(ProfiledPass, long)> Of(IBackend backend)
        {
            using (backend)
            using (IExecutable net = backend.Compile(graph, spec))
            using (Recording recording = ((IProfiles)net).Record())
            {
                net.Initialize(new HeNormal(1));
                recording.Call(() => net.TrainStep(new float[X], new int[16], 0.1f));
                return [.. recording.Profile().Layers.Where(layer => layer.Pass != ProfiledPass.Reorder)
                    .Select(layer => (layer.Pass, layer.Bytes / 4))];
            }
        }
        Assert.Multiple(() =>
        {
            Assert.That(Of(new ManagedBackend()), Is.EqualTo(((ProfiledPass, long)[])
            [
                (ProfiledPass.Forward, X + Y + W + B), (ProfiledPass.Loss, 2 * Y),
                    (ProfiledPass.BackwardWeights, X + Y + W + B), (ProfiledPass.Update, 5 * (W + B)),
            ]));
            // Values and momentum are both read and written.
            Assert.That(Of(new NativeBackend()), Is.EqualTo(((ProfiledPass, long)[])
            [
                (ProfiledPass.Forward, X + Y + W + B), (ProfiledPass.Loss, 2 * Y),
                    (ProfiledPass.BackwardWeights, X + Y + 4 * (W + B)),
            ]));
        });
    }

    [TestCase("native")]
    [TestCase("managed")]
    public void ARecordingChangesNoBitAndEnds(string name)
    {
        float[] Train(bool recorded)
        {
            using IBackend backend = name == "native" ? new NativeBackend(2) : new ManagedBackend(2);
            Graph graph = GraphCases.Patterns.Single(graph => graph.Name == "projection block").Build();
            using IExecutable net =
                backend.Compile(graph, new TrainingSpec(4, new SoftmaxCrossEntropy(), new Sgd(0.9f)));
            net.Initialize(new HeNormal(1));
            float[] images = NativeRun.Values(4 * graph.Input.Shape.Length, seed: 2);
            int[] labels = [0, 1, 2, 0];
            void Step() => net.TrainStep(images, labels, 0.05f);
            Recording? recording = recorded ? ((IProfiles)net).Record() : null;
            for (int i = 0; i < 2; i++)
            {
                if (recording is null)
                    Step();
                else
                    recording.Call(Step);
            }
            recording?.Dispose();
            Step();
            if (recording is not null)
                Assert.That(recording.Profile().Layers.Select(layer => layer.Calls), Is.Not.Empty.And.All.EqualTo(2));
            return [.. graph.Parameters.SelectMany(p =>
            {
                var values = new float[p.Length];
                net.Read(p, values);
                return values;
            })];
        }
        Assert.That(Train(recorded: true), Is.EqualTo(Train(recorded: false)));
    }

    [TestCase("native")]
    [TestCase("managed")]
    public void WhatCannotBeRecordedIsSaid(string name)
    {
        using IBackend backend = name == "native" ? new NativeBackend() : new ManagedBackend();
        IExecutable net = backend.CompileInference(BuiltInModels.Create("digits"), 1);
        var profiles = (IProfiles)net;
        using (Recording recording = profiles.Record())
        {
            Assert.That(Assert.Throws<InvalidOperationException>(() => profiles.Record())!.Message,
                Does.Contain("already being recorded"));
            Assert.That(Assert.Throws<InvalidOperationException>(() => recording.Profile())!.Message,
                Does.Contain("Recording.Call"));
        }
        Recording first = profiles.Record();
        first.Dispose();
        using Recording second = profiles.Record();
        first.Dispose();
        Assert.Throws<InvalidOperationException>(() => profiles.Record(), "an ended recording cannot end the next");
        net.Dispose();
        Assert.Throws<ObjectDisposedException>(() => profiles.Record());
    }

    [Test]
    public void WhoDoesNotTellIsNamedWithThoseWhoDo()
    {
        Assert.That(Assert.Throws<ArgumentException>(() => Profiles.Check(["native", "torchsharp"]))!.Message,
            Is.EqualTo("torchsharp does not support profiling; native and managed do."));
        Assert.DoesNotThrow(() => Profiles.Check(["native:winograd4", "managed"]));
        Assert.That(Profile("torchsharp", "digits", "infer", batch: 1).Profiled.Error,
            Is.EqualTo("torchsharp does not support profiling; native and managed do."));
        using var input =
            new StringReader(
            Protocol.Line(new Request(Order.Prepare) { Shape = "mb2ic4oc4", Pass = "fwd", Threads = 1 }) + "\n"
            + Protocol.Line(new Request(Order.Profile)));
        using var output = new StringWriter();
        WorkerLoop.Serve("native", (name, shape) => BuiltInModels.Create(name, shape), input, output);
        Assert.That(output.ToString(), Does.Contain("Only networks can be profiled"));
    }

    [Test]
    public void TheRooflineIsTheLowerOfBothCeilings()
    {
        LayerProfile layer = Part with { MedianMs = 1e-3 };
        var memory = new Roofline(PeakGflops: 100, MemoryGBs: 2);
        var compute = new Roofline(PeakGflops: 5, MemoryGBs: 2);
        Assert.Multiple(() =>
        {
            Assert.That((layer.Intensity, layer.Gflops, layer.GigabytesPerSecond), Is.EqualTo((4, 4, 1)));
            Assert.That((memory.BoundGflops(layer), memory.BoundMs(layer), memory.IsBoundByMemory(layer)),
                Is.EqualTo((8, 5e-4, true)));
            Assert.That((compute.BoundGflops(layer), compute.BoundMs(layer), compute.IsBoundByMemory(layer)),
                Is.EqualTo((5, 8e-4, false)));
            Assert.That(compute.PercentOfBound(layer), Is.EqualTo(80).Within(1e-9));
            Assert.That((memory.BoundMs(layer with { Flops = 0 }), memory.IsBoundByMemory(layer with { Flops = 0 })),
                Is.EqualTo((5e-4, true)));
        });
    }

    [Test]
    public void TheTraceHasEventsThatNestAndDoNotOverlap()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("trace.json");
        NetworkProfile native = ProfileOf("native", "lenet5", "train", 2, spans: 2),
            managed = ProfileOf("managed", "lenet5", "infer", 2, spans: 1);
        ChromeTrace.Write(file, [("native", "training step", native), ("managed", "inference", managed)]);
        using var document = JsonDocument.Parse(File.ReadAllText(file));
        JsonElement[] events = [.. document.RootElement.GetProperty("traceEvents").EnumerateArray()];
        Assert.That(events.Where(e => Text(e, "ph") == "M").Select(e => $"{Text(e, "name")} {e.GetProperty("pid")}: "
            + $"{Text(e.GetProperty("args"), "name")}"), Is.EqualTo((string[])
            ["process_name 1: native", "thread_name 1: the thread that calls the kernels", "process_name 2: managed",
                "thread_name 2: the thread that calls the kernels"]));
        JsonElement[] complete = [.. events.Where(e => Text(e, "ph") == "X")];
        Assert.That(complete, Has.Length.EqualTo(events.Length - 4));
        foreach (IGrouping<int, JsonElement> process in complete.GroupBy(e => e.GetProperty("pid").GetInt32()))
        {
            NetworkProfile profile = process.Key == 1 ? native : managed;
            Assert.That(process.Select(e => e.GetProperty("tid").GetInt32()), Is.All.EqualTo(1));
            double callEnd = 0, end = 0;
            foreach (JsonElement e in process)
            {
                double start = e.GetProperty("ts").GetDouble(), stop = start + e.GetProperty("dur").GetDouble();
                bool isCall = Text(e, "cat") == "call";
                Assert.That(start, Is.GreaterThanOrEqualTo(isCall ? callEnd : end - 1e-6));
                Assert.That(isCall || stop <= callEnd + 1e-6, "a part lies within its call");
                (callEnd, end) = isCall ? (stop, start) : (callEnd, stop);
            }
            Assert.That(process.Count(e => Text(e, "cat") == "call"), Is.EqualTo(process.Key == 1 ? 2 : 1));
            Assert.That(process.First(e => Text(e, "cat") != "call").GetProperty("args").GetProperty("algorithm")
                .GetString(), Is.EqualTo(profile.Layers[0].Algorithm));
            Assert.That(process.Count(e => Text(e, "cat") != "call"),
                Is.EqualTo(profile.Layers.Count * (process.Key == 1 ? 2 : 1)));
        }
        Assert.That(complete.Select(e => Text(e, "name")), Does.Contain("conv1 + relu1 + maxpool1 backward-weights")
            .And.Contain("training step").And.Contain("inference"));

        static string Text(JsonElement e, string name) => e.GetProperty(name).GetString()!;
    }

    private static void Run(NativePlan net, float[] images, float[] scores)
    {
        if (net.Spec is null)
            net.Infer(images, scores);
        else
            net.TrainStep(images, (int[])[1, 2], 0.01f);
    }
}
