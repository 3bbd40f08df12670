using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace ConvNet;

/// <summary>A loss as calls of torch: a scalar tensor to go backward from.</summary>
internal abstract class TorchLoss : IDisposable
{
    /// <summary>The loss of a specification.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="batchSize">Samples in a full batch.</param>
    /// <param name="classes">Scores of one sample.</param>
    /// <exception cref="NotSupportedException">It is none of this project's own.</exception>
    public static TorchLoss Of(Loss loss, int batchSize, int classes) => loss switch
    {
        SoftmaxCrossEntropy => new CrossEntropy(batchSize),
        MulticlassSvm svm => new Svm(svm.Margin, batchSize, classes),
        MeanSquaredError => new SquaredError(batchSize * classes),
        _ => throw new NotSupportedException(
            $"The torchsharp backend has no loss {loss.GetType().Name}; it has {nameof(SoftmaxCrossEntropy)}, {nameof(MulticlassSvm)} and {nameof(MeanSquaredError)}."),
    };

    /// <summary>The name of torch's function, or of those that make it.</summary>
    public abstract string Function { get; }

    /// <summary>The mean loss of N×K scores for class labels.</summary>
    public virtual Tensor Evaluate(Tensor scores, ReadOnlySpan<int> labels) =>
        throw new NotSupportedException("The loss takes float targets, not labels.");

    /// <summary>The mean loss of N×K scores for targets.</summary>
    public virtual Tensor Evaluate(Tensor scores, ReadOnlySpan<float> targets) =>
        throw new NotSupportedException("The loss takes labels, not float targets.");

    public abstract void Dispose();

    private static void Widen(ReadOnlySpan<int> labels, Span<long> to)
    {
        for (int i = 0; i < labels.Length; i++)
            to[i] = labels[i];
    }

    private sealed class CrossEntropy(int batchSize) : TorchLoss
    {
        private readonly HostBuffer<long> _labels = new(batchSize, ScalarType.Int64);

        public override string Function => "cross_entropy";

        public override Tensor Evaluate(Tensor scores, ReadOnlySpan<int> labels)
        {
            Widen(labels, _labels.Values);
            return functional.cross_entropy(scores, _labels.First(labels.Length));
        }

        public override void Dispose() => _labels.Dispose();
    }

    // (Σ_{j≠y} max(0, s_j − s_y + Δ)) / N over the scores of the other classes: a label's own margin, times 0, would be NaN where its
    // score is infinite.
    private sealed class Svm(float margin, int batchSize, int classes) : TorchLoss
    {
        private readonly HostBuffer<long> _labels = new(batchSize, ScalarType.Int64);
        private readonly HostBuffer<float> _margin = new(1, ScalarType.Float32);
        private readonly HostBuffer<float> _share = new(1, ScalarType.Float32);
        private readonly HostBuffer<long> _others = new(Math.Max(1, batchSize * (classes - 1)), ScalarType.Int64);

        public override string Function => "gather, relu, sum";

        public override Tensor Evaluate(Tensor scores, ReadOnlySpan<int> labels)
        {
            int n = labels.Length;
            Widen(labels, _labels.Values);
            _margin.Values[0] = margin;
            _share.Values[0] = 1f / n;
            Span<long> others = _others.Values[..(n * (classes - 1))];
            for (int i = 0; i < others.Length; i++)
            {
                int sample = i / (classes - 1), j = i % (classes - 1);
                others[i] = j < labels[sample] ? j : j + 1;
            }

            Tensor own = scores.gather(1, _labels.First(n).reshape(n, 1));
            Tensor margins = scores.gather(1, _others.First(others.Length).reshape(n, classes - 1)).sub(own);
            return margins.add(_margin.First(1)).relu().sum().mul(_share.First(1));
        }

        public override void Dispose()
        {
            _labels.Dispose();
            _margin.Dispose();
            _share.Dispose();
            _others.Dispose();
        }
    }

    private sealed class SquaredError(int length) : TorchLoss
    {
        private readonly HostBuffer<float> _targets = new(length, ScalarType.Float32);

        public override string Function => "mse_loss";

        public override Tensor Evaluate(Tensor scores, ReadOnlySpan<float> targets)
        {
            targets.CopyTo(_targets.Values);
            return functional.mse_loss(scores, _targets.First(targets.Length).reshape(scores.shape));
        }

        public override void Dispose() => _targets.Dispose();
    }
}
