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
        : Executable(s_graph, 1, new TrainingSpec(1, new MeanSquaredError(), new Sgd()), () => false)
    {
        public ManualResetEventSlim Inside { get; } = new();

        public ManualResetEventSlim Go { get; } = new();

        public int Disposals { get; private set; }

        protected override void ForwardCore(BatchValues input, int n) => Wait();

        protected override double LossCore(int index, Targets targets) => 0;

        protected override void BackwardCore(BatchValues outputGradient, bool accumulate)
        {
        }

        protected override void StepCore(float learningRate)
        {
        }

        protected override void KeepBuffersCore()
        {
        }

        protected override void ExchangeBuffersCore()
        {
        }

        protected override void InferCore(BatchValues input, int n, BatchBuffers output)
        {
        }

        protected override void ReadOutputCore(int index, Span<float> values) => values.Clear();

        protected override void ReadCore(Parameter parameter, Span<float> values)
        {
        }

        protected override void WriteCore(Parameter parameter, ReadOnlySpan<float> values)
        {
        }

        protected override void WriteGradientCore(Parameter parameter, ReadOnlySpan<float> values)
        {
        }

        protected override void ChangeFrozenCore(FrozenParameters frozen,
            IReadOnlyList<IReadOnlyList<Parameter>> buckets)
        {
        }

        protected override Span<float> BucketCore(int bucket, bool accumulate) => [];

        protected override double GradientSquaresCore(Parameter parameter) => 0;

        protected override void ScaleGradientsCore(float factor)
        {
        }

        protected override void ClampGradientsCore(float most)
        {
        }

        protected override void ReadStateCore(Parameter parameter, int index, Span<float> values)
        {
        }

        protected override void WriteStateCore(Parameter parameter, int index, ReadOnlySpan<float> values, long steps)
        {
        }

        protected override void ReadGradientCore(Parameter parameter, Span<float> values)
        {
        }

        protected override void ReadInputGradientCore(int index, Span<float> values)
        {
        }

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
