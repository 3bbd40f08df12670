using System.Runtime.Intrinsics.X86;
using ConvNet.Measurement;
using ConvNet.Measurement.Workers;
using ConvNet.Models;
using NUnit.Framework;

namespace ConvNet.Tests.Measurement;

/// <summary>The side that computes, without a process of its own, and what such a process inherits.</summary>
public sealed class WorkerTests
{
    private static List<Response> Serve(string backend, params Request[] requests)
    {
        using var input = new StringReader(string.Concat(requests.Select(request => Protocol.Line(request) + "\n")));
        using var output = new StringWriter();
        WorkerLoop.Serve(backend, (model, input) => BuiltInModels.Create(model, input), input, output);
        return [.. output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(Protocol.Read<Response>)];
    }

    private static Request Prepare(string shape, string pass)
        => new(Order.Prepare) { Shape = shape, Pass = pass, Threads = 2 };

    [Test]
    public void EveryPassOfEveryKindOfLayerRuns(
        [Values("native", "managed")] string backend, [Values("fwd", "bwd_d", "bwd_w")] string pass,
        [Values("mb3ic3ih9oc5kh3ph1", "mb2ic20ih7iw8oc18kh3ph1sh2", "g6mb2ic6ih5oc6kh3ph1", "g2mb2ic6ih5oc4kh3",
            "mb2ic4ih12oc3kh11ph5", "mb5ic3ih4oc7", "mb1ic40oc3")] string shape)
    {
        List<Response> responses = Serve(backend, Prepare(shape, pass), new Request(Order.Warm) { Milliseconds = 0.1 },
            new Request(Order.Measure) { Milliseconds = 0.1 });
        Assert.That(responses.Select(response => response.Error), Is.All.Null);
        Assert.Multiple(() =>
        {
            Assert.That(responses[0].Library, Does.StartWith(backend));
            Assert.That(responses[0].Algorithm, Is.EqualTo("direct"));
            Assert.That(responses[0].Operations, Is.EqualTo(LayerShape.Parse(shape).Operations));
            Assert.That(responses[0].Images, Is.EqualTo(LayerShape.Parse(shape).Batch));
            Assert.That(responses[2].Calls, Is.Positive);
            // The smallest layers take less than a tick of the clock, 100 ns.
            Assert.That(responses[2].MinMs, Is.InRange(0, responses[2].MedianMs));
        });
    }

    [Test]
    public void ANetworkCountsItsMultiplyAdds([Values("train", "infer")] string pass)
    {
        List<Response> responses =
            Serve("native", new Request(Order.Prepare) { Model = "lenet5", Batch = 3, Pass = pass, Threads = 1 },
            new Request(Order.Warm), new Request(Order.Measure));
        // Of lenet5's 416,520 multiply-adds 117,600 are of its first layer, which has no gradient of the images to
        // compute.
        double multiplyAdds = pass == "infer" ? 416_520 : 3 * 416_520 - 117_600;
        Assert.That(responses.Select(response => response.Error), Is.All.Null);
        Assert.That((responses[0].Operations, responses[0].Images), Is.EqualTo((2.0 * 3 * multiplyAdds, 3)));
    }

    [Test]
    public void WhatCannotBeDoneIsAnAnswerAndNotTheEnd()
    {
        List<Response> responses = Serve("native", new Request(Order.Measure), Prepare("mb2ic4oc", "fwd"),
            Prepare("mb2ic4oc4", "sideways"),
            Prepare("mb2ic4oc4", "train"),
                new Request(Order.Prepare) { Model = "vgg99", Pass = "train", Batch = 1, Threads = 1 },
            new Request(Order.Prepare) { Model = "lenet5", Pass = "fwd", Batch = 1, Threads = 1 },
                Prepare("mb2ic4oc4", "fwd"));
        string[] reasons = ["Send prepare first", "the number after oc is missing", "no pass \"sideways\"",
            "train is a network pass", "no model \"vgg99\"", "fwd is a layer pass"];
        for (int i = 0; i < reasons.Length; i++)
            Assert.That(responses[i].Error, Does.Contain(reasons[i]));
        Assert.That(responses[^1].Error, Is.Null);
    }

    [Test]
    public void ThePeakAndTheMemoryRateAreMeasured()
    {
        List<Response> responses = Serve("native", new Request(Order.Peak) { Threads = 1, Isa = "scalar" },
            new Request(Order.Peak) { Threads = 2 });
        Assert.That(responses.Select(response => response.Error), Is.All.Null);
        Assert.That(responses.Select(response => response.Rate), Is.All.Positive);
    }

    [Test]
    public void TheProtocolIsOneFlatObjectALine()
    {
        var request = new Request(Order.Prepare) { Shape = "mb2ic4oc4n\"a \\ b\"", Pass = "fwd", Threads = 2 };
        string line = Protocol.Line(request);
        Assert.That(line, Is.EqualTo("""{"do":"prepare","shape":"mb2ic4oc4n\"a \\ b\"","pass":"fwd","threads":2}"""));
        Assert.That(Protocol.Read<Request>(line), Is.EqualTo(request));
        Assert.That(Assert.Throws<FormatException>(() => Protocol.Read<Request>("go"))!.Message, Does.Contain("go"));
    }

    [Test]
    public void TheEnvironmentOfAWorkerHasNoSettingsOfBlasAndOpenMP()
    {
        var machine = new Dictionary<string, string>
        {
            ["PATH"] = "/usr/bin",
            ["OPENBLAS_CORETYPE"] = "Prescott",
            ["OPENBLAS_L2_SIZE"] = "262144",
            ["OPENBLAS_NUM_THREADS"] = "1",
            ["OMP_NUM_THREADS"] = "1",
            ["GOMP_SPINCOUNT"] = "0",
            ["MKL_NUM_THREADS"] = "1",
            ["DNNL_MAX_CPU_ISA"] = "SSE41",
            ["CONVNET_NATIVE_LIBRARY"] = "/x/libconvnet.so",
        };
        IReadOnlyDictionary<string, string> clean = WorkerEnvironment.From(machine);
        var expected = new Dictionary<string, string>
        {
            ["PATH"] = "/usr/bin",
            ["CONVNET_NATIVE_LIBRARY"] = "/x/libconvnet.so",
            ["GOMP_SPINCOUNT"] = "10000",
            ["DOTNET_TieredCompilation"] = "0"
        };
        if (Avx2.IsSupported && Fma.IsSupported)
            expected["OPENBLAS_CORETYPE"] = Avx512F.IsSupported ? "SkylakeX" : "Haswell";
        Assert.That(clean, Is.EquivalentTo(expected));
    }

    [Test]
    public void AWorkerThatDiesIsNamedWithWhatItSaid()
    {
        using var worker = new WorkerProcess("abacus", ["sh", "-c", "echo no beads >&2; exit 3"]);
        string message = Assert.Throws<WorkerException>(() => worker.Ask(new Request(Order.Warm)))!.Message;
        Assert.That(message, Does.Contain("abacus").And.Contain("exit code 3").And.Contain("no beads"));
    }

    [Test]
    public void ACancelledWorkerEndsWhateverItIsDoing()
    {
        using var cancellation = new CancellationTokenSource();
        using var worker = new WorkerProcess("sleeper", ["sh", "-c", "echo asleep >&2; sleep 1000; read line"],
            cancellation.Token);
        cancellation.CancelAfter(TimeSpan.FromMilliseconds(200));
        Assert.Throws<OperationCanceledException>(() => worker.Ask(new Request(Order.Warm)));
        Assert.Throws<OperationCanceledException>(() => worker.Ask(new Request(Order.Warm)));
        Assert.Throws<OperationCanceledException>(() => new WorkerProcess("sleeper", ["true"], cancellation.Token));
    }

    [Test]
    public void AWorkerThatCannotBeStartedIsNamed()
        => Assert.That(() => new WorkerProcess("abacus", ["/no/such/program"]),
            Throws.TypeOf<WorkerException>().With.Message.Contains("abacus").And.Message.Contains("/no/such/program"));

    [Test]
    public void AProcessAnswersInTheCleanEnvironment()
    {
        const string Script = """read line; echo "{\"error\":\"$OPENBLAS_L2_SIZE$OPENBLAS_CORETYPE\"}" """;
        Environment.SetEnvironmentVariable("OPENBLAS_L2_SIZE", "262144");
        try
        {
            using var worker = new WorkerProcess("sh", ["sh", "-c", Script]);
            Assert.That(worker.Ask(new Request(Order.Warm)).Error, Is.EqualTo(WorkerEnvironment.BestCore ?? ""));
        }
        finally
        {
            Environment.SetEnvironmentVariable("OPENBLAS_L2_SIZE", null);
        }
    }
}
