using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace ConvNet;

/// <summary>A loss as torch calls. It returns a scalar tensor from which the backward pass starts.</summary>
internal abstract class TorchLoss(int batchSize) : IDisposable
{
    private readonly HostBuffer<float> _shares = new(batchSize, ScalarType.Float32);

    /// <summary>Initialises the loss of a specification.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="batchSize">The number of samples in a full batch.</param>
    /// <param name="output">The shape of one output.</param>
    /// <exception cref="NotSupportedException">The loss is not one of this library's losses.</exception>
    public static TorchLoss Of(Loss loss, int batchSize, Shape output) => loss switch
    {
        SoftmaxCrossEntropy => new CrossEntropy(batchSize, loss.TargetsPerSample(output)),
        MulticlassSvm svm => new Svm(svm.Margin, batchSize, output.C),
        MeanSquaredError => new SquaredError(batchSize, output.Length),
        _ => throw new NotSupportedException($"The torchsharp backend does not support the loss "
            + $"{loss.GetType().Name}. Use "
            + $"{nameof(SoftmaxCrossEntropy)}, {nameof(MulticlassSvm)} or {nameof(MeanSquaredError)}, or another "
            + "backend."),
    };

    /// <summary>The name of the torch function, or of the functions that compute the loss.</summary>
    public abstract string Function { get; }

    /// <summary>Computes the mean loss of a batch.</summary>
    /// <param name="y">The outputs, N×C or N×C×H×W.</param>
    /// <param name="targets">The targets, already validated.</param>
    public abstract Tensor Evaluate(Tensor y, Targets targets);

    public virtual void Dispose() => _shares.Dispose();

    // Σ w_n·l_n / Σ w_n over the samples' losses.
    private Tensor WeightedMean(Tensor losses, ReadOnlySpan<float> weights)
    {
        double total = 0;
        foreach (float weight in weights)
            total += weight;
        for (int i = 0; i < weights.Length; i++)
            _shares.Values[i] = (float)(weights[i] / total);
        return losses.mul(_shares.First(weights.Length)).sum();
    }

    private static void Widen(ReadOnlySpan<int> labels, Span<long> to)
    {
        for (int i = 0; i < labels.Length; i++)
            to[i] = labels[i];
    }

    private sealed class CrossEntropy(int batchSize, int labelsPerSample) : TorchLoss(batchSize)
    {
        private readonly HostBuffer<long> _labels = new(batchSize * labelsPerSample, ScalarType.Int64);

        public override string Function => "cross_entropy";

        public override Tensor Evaluate(Tensor y, Targets targets)
        {
            Widen(targets.Classes, _labels.Values);
            long n = y.shape[0];
            Tensor labels = _labels.First(targets.Classes.Length);
            if (y.dim() == 4)
                labels = labels.reshape(n, y.shape[2], y.shape[3]);
            if (targets.SampleWeights.IsEmpty)
                return functional.cross_entropy(y, labels);
            Tensor losses = functional.cross_entropy(y, labels, null, -100, Reduction.None);
            return WeightedMean(losses.reshape(n, -1).mean([1]), targets.SampleWeights);
        }

        public override void Dispose()
        {
            base.Dispose();
            _labels.Dispose();
        }
    }

    // (Σ_{j≠t} max(0, y_j − y_t + Δ)) / N over the outputs of the other classes. Multiplying the label's own margin by
    // 0 would give NaN if its score is infinite.
    private sealed class Svm(float margin, int batchSize, int classes) : TorchLoss(batchSize)
    {
        private readonly HostBuffer<long> _labels = new(batchSize, ScalarType.Int64);
        private readonly HostBuffer<float> _margin = new(1, ScalarType.Float32);
        private readonly HostBuffer<float> _share = new(1, ScalarType.Float32);
        private readonly HostBuffer<long> _others = new(Math.Max(1, batchSize * (classes - 1)), ScalarType.Int64);

        public override string Function => "gather, relu, sum";

        public override Tensor Evaluate(Tensor y, Targets targets)
        {
            ReadOnlySpan<int> labels = targets.Classes;
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

            Tensor own = y.gather(1, _labels.First(n).reshape(n, 1));
            Tensor margins = y.gather(1, _others.First(others.Length).reshape(n, classes - 1)).sub(own);
            Tensor losses = margins.Plus(_margin.First(1)).relu();
            return targets.SampleWeights.IsEmpty
                ? losses.sum().mul(_share.First(1))
                : WeightedMean(losses.sum([1]), targets.SampleWeights);
        }

        public override void Dispose()
        {
            base.Dispose();
            _labels.Dispose();
            _margin.Dispose();
            _share.Dispose();
            _others.Dispose();
        }
    }

    private sealed class SquaredError(int batchSize, int length) : TorchLoss(batchSize)
    {
        private readonly HostBuffer<float> _targets = new(batchSize * length, ScalarType.Float32);

        public override string Function => "mse_loss";

        public override Tensor Evaluate(Tensor y, Targets targets)
        {
            targets.Values.CopyTo(_targets.Values);
            Tensor wanted = _targets.First(targets.Values.Length).view_as(y);
            return targets.SampleWeights.IsEmpty
                ? functional.mse_loss(y, wanted)
                : WeightedMean(
                    functional.mse_loss(y, wanted, Reduction.None).reshape(y.shape[0], -1).mean([1]),
                    targets.SampleWeights);
        }

        public override void Dispose()
        {
            base.Dispose();
            _targets.Dispose();
        }
    }
}
