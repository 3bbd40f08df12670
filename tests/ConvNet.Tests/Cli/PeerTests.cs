using ConvNet.Cli;
using ConvNet.Measurement;
using ConvNet.Measurement.Workers;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>The programs of bench/peers, where <c>eng/setup peers</c> has built them: they read the same descriptors
/// and keep to the protocol.</summary>
public sealed class PeerTests
{
    private static IWorker Start(string name)
    {
        if (!File.Exists(Repository.Path("build", "peers", name)))
            Assert.Ignore($"{name} is not built; eng/setup peers builds it where the system has its library.");
        return WorkerPrograms.Start(name, CancellationToken.None);
    }

    [Test]
    public void OneDnnReadsEveryKindOfDescriptor(
        [Values("fwd", "bwd_d", "bwd_w")] string pass,
        [Values("mb3ic16ih9oc32kh3ph1", "mb2ic20ih7iw8oc18kh3ph1sh2", "g16mb2ic16ih5oc16kh3ph1n\"2 depths\"",
            "mb1ic8ih16oc8kh3ph2dh1", "mb2ic3ih224oc64oh112kh7sh2ph3", "mb5ic3ih4oc7",
            "mb64ic400oc120")] string descriptor)
    {
        using IWorker worker = Start("onednn");
        var shape = LayerShape.Parse(descriptor);
        Response prepared =
            worker.Ask(new Request(Order.Prepare) { Shape = shape.ToString(), Pass = pass, Threads = 1 });
        Assert.That(prepared.Error, Is.Null);
        Assert.That((prepared.Operations, prepared.Images), Is.EqualTo((shape.Operations, shape.Batch)));
        Assert.That(prepared.Library, Does.StartWith("oneDNN "));
        IsMeasured(worker);
    }

    [Test]
    public void LibtorchTrainsItsNetworks([Values("lenet5", "cifarnet", "resnet20")] string model,
        [Values("train", "infer")] string pass)
    {
        using IWorker worker = Start("libtorch");
        Response prepared =
            worker.Ask(new Request(Order.Prepare) { Model = model, Batch = 2, Pass = pass, Threads = 1 });
        Assert.That((prepared.Error, prepared.Images), Is.EqualTo(((string?)null, 2)));
        IsMeasured(worker);
    }

    [Test]
    public void APeerSaysWhatItDoesNotDo([Values("onednn", "libtorch")] string name)
    {
        using IWorker worker = Start(name);
        Assert.That(worker.Ask(new Request(Order.Warm)).Error, Does.Contain("Send prepare first"));
        Assert.That(worker.Ask(new Request(Order.Prepare) { Model = "vgg11", Batch = 1, Pass = "train", Threads = 1 })
            .Error, Is.Not.Null);
        Assert.That(worker.Ask(new Request(Order.Peak)).Error, Does.Contain("peak").Or.Contain("prepare"));
    }

    private static void IsMeasured(IWorker worker)
    {
        Assert.That(worker.Ask(new Request(Order.Warm) { Milliseconds = 0.1 }).Error, Is.Null);
        Response measured = worker.Ask(new Request(Order.Measure) { Milliseconds = 0.1 });
        Assert.That(measured.Error, Is.Null);
        Assert.That(measured.MinMs, Is.Positive.And.LessThanOrEqualTo(measured.MedianMs));
        Assert.That(measured.Calls, Is.Positive);
    }
}
