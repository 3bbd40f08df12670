using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>The base of all executables, with calls that wait: who gets an error when two callers meet.</summary>
public sealed class ExecutableTests
{
    private static readonly Graph s_graph = Sequential.Of(Shape.Vector(1), new Relu());

    [Test]
    public void ADisposalDuringACallIsRefusedAndTheCallEndsWell()
    {
        using var net = new Waiting();
        Task forward = Task.Run(() => net.Forward((float[])[1]));
        net.Inside.Wait();
        Assert.That(Assert.Throws<InvalidOperationException>(net.Dispose)!.Message, Does.Contain("another caller"));
        Assert.That(Assert.Throws<InvalidOperationException>(() => net.Infer((float[])[1], new float[1]))!.Message,
            Does.Contain("another caller"));
        net.Go.Set();
        Assert.That(forward.Wait, Throws.Nothing);
        net.Inside.Reset();
        Assert.That(() => net.ReadOutput(new float[1]), Throws.Nothing, "the pass is there");
    }

    [Test]
    public void ACallDuringADisposalComesTooLate()
    {
        var net = new Waiting();
        Task disposal = Task.Run(net.Dispose);
        net.Inside.Wait();
        Assert.That(Assert.Throws<ObjectDisposedException>(() => net.Forward((float[])[1]))!.Message,
            Does.Contain("executable is disposed"));
        Assert.That(net.Dispose, Throws.Nothing, "a second disposal");
        net.Go.Set();
        Assert.That(disposal.Wait, Throws.Nothing);
        Assert.That(net.Disposals, Is.EqualTo(1));
    }

    /// <summary>Its forward pass and its disposal say that they have begun, and wait until they may go on.</summary>
    private sealed class Waiting()
        : IdleExecutable(s_graph, new TrainingSpec(1, new MeanSquaredError(), new Sgd()))
    {
        public ManualResetEventSlim Inside { get; } = new();

        public ManualResetEventSlim Go { get; } = new();

        public int Disposals { get; private set; }

        protected override void ForwardCore(BatchValues input, int n) => Wait();

        protected override void Dispose(bool disposing)
        {
            Disposals++;
            Wait();
            base.Dispose(disposing);
        }

        private void Wait()
        {
            Inside.Set();
            Go.Wait();
        }
    }
}
