using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using TorchReduction = TorchSharp.torch.nn.Reduction;

namespace ConvNet;

/// <summary>A loss as torch calls. It returns a scalar tensor from which the backward pass starts.</summary>
/// <remarks>
/// A mean or a sum without sample weights is that of torch's function. Otherwise the function returns the losses of all
/// values (<c>Reduction.None</c>), and the sum of each sample is multiplied by its share of the total.
/// </remarks>
internal abstract class TorchLoss : IDisposable
{
    private delegate Tensor ElementwiseCall(Tensor y, Tensor targets, TorchReduction reduction, Tensor? weights);

    private readonly List<IDisposable> _owned = [];
    private readonly HostBuffer<float> _shares;
    private readonly Loss _loss;
    private readonly Shape _output;

    private TorchLoss(Loss loss, int batchSize, Shape output)
    {
        (_loss, _output) = (loss, output);
        _shares = Buffer<float>(batchSize, ScalarType.Float32);
    }

    /// <summary>Initialises the loss of a specification.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="batchSize">The number of samples in a full batch.</param>
    /// <param name="output">The shape of one output.</param>
    /// <exception cref="NotSupportedException">The loss is not one of this library's losses.</exception>
    public static TorchLoss Of(Loss loss, int batchSize, Shape output) => loss switch
    {
        SoftmaxCrossEntropy softmax => new CrossEntropy(softmax, batchSize, output),
        HingeLoss hinge => new Hinge(hinge, batchSize, output),
        MeanSquaredError => new Elementwise(loss, batchSize, output, "mse_loss",
            (y, t, reduction, _) => functional.mse_loss(y, t, reduction)),
        L1Loss => new Elementwise(loss, batchSize, output, "l1_loss",
            (y, t, reduction, _) => functional.l1_loss(y, t, reduction)),
        HuberLoss huber => new Elementwise(loss, batchSize, output, "huber_loss",
            (y, t, reduction, _) => functional.huber_loss(y, t, huber.Delta, reduction)),
        SmoothL1Loss smooth => new Elementwise(loss, batchSize, output, "smooth_l1_loss", (y, t, reduction, _)
            => smooth.Beta == 0 ? functional.l1_loss(y, t, reduction)
                : functional.smooth_l1_loss(y, t, reduction, smooth.Beta)),
        BinaryCrossEntropyWithLogits binary => new Elementwise(loss, batchSize, output,
            "binary_cross_entropy_with_logits", (y, t, reduction, weights)
                => functional.binary_cross_entropy_with_logits(y, t, null, reduction, weights),
            binary.PositiveWeights),
        KLDivergence divergence => new Elementwise(loss, batchSize, output, "kl_div",
            (y, t, reduction, _) => functional.kl_div(y, t, divergence.LogTarget, reduction)),
        _ => throw new NotSupportedException($"The torchsharp backend does not support the loss "
            + $"{loss.GetType().Name}. Use {nameof(SoftmaxCrossEntropy)} or another loss of this library, or another "
            + "backend."),
    };

    /// <summary>The name of the torch function, or of the functions that compute the loss.</summary>
    public abstract string Function { get; }

    /// <summary>Computes the loss of a batch.</summary>
    /// <param name="y">The outputs, N×C or N×C×H×W.</param>
    /// <param name="targets">The targets, already validated.</param>
    public Tensor Evaluate(Tensor y, Targets targets)
    {
        Prepare(targets);
        bool isWeighted = !targets.SampleWeights.IsEmpty;
        if (!isWeighted && _loss.Reduction == Reduction.Sum)
            return Reduced(y, TorchReduction.Sum);
        // Torch's mean over nothing is NaN.
        double total = Count(targets);
        if (!isWeighted && _loss.Reduction == Reduction.Mean && total > 0)
            return Reduced(y, TorchReduction.Mean);
        int n = (int)y.shape[0];
        double samples = 0;
        for (int i = 0; i < n; i++)
            samples += WeightOf(targets, i);
        double divisor = _loss.Reduction switch
        {
            Reduction.Sum => 1,
            Reduction.BatchMean => samples,
            _ => total,
        };
        for (int i = 0; i < n; i++)
            _shares.Values[i] = divisor == 0 ? 0 : (float)(WeightOf(targets, i) / divisor);
        return SumsOfSamples(y).mul(_shares.First(n)).sum();
    }

    /// <summary>Computes the loss that each sample of a batch would have as a batch of its own.</summary>
    /// <param name="y">The outputs, N×C or N×C×H×W.</param>
    /// <param name="targets">The targets, already validated.</param>
    /// <param name="losses">Receives the losses.</param>
    public void EvaluateSamples(Tensor y, Targets targets, Span<double> losses)
    {
        Prepare(targets);
        var sums = new float[losses.Length];
        SumsOfSamples(y).ReadFloats(sums);
        for (int i = 0; i < losses.Length; i++)
        {
            double total = _loss.Reduction == Reduction.Mean
                ? Count(targets.OfSample(i, _loss.TargetsPerSample(_output))) : 1;
            losses[i] = total == 0 ? 0 : sums[i] / total;
        }
    }

    public void Dispose() => _owned.ForEach(buffer => buffer.Dispose());

    /// <summary>Copies the targets to tensors.</summary>
    protected abstract void Prepare(Targets targets);

    /// <summary>Computes the mean or the sum as torch does, or the losses of all values, pixels or samples.</summary>
    protected abstract Tensor Reduced(Tensor y, TorchReduction reduction);

    /// <summary>Returns what a mean is divided by: Σ w_n times what counts in sample n.</summary>
    protected abstract double Count(Targets targets);

    /// <summary>Creates a buffer that is freed with the loss.</summary>
    protected HostBuffer<T> Buffer<T>(int length, ScalarType type)
        where T : unmanaged
    {
        var buffer = new HostBuffer<T>(Math.Max(1, length), type);
        _owned.Add(buffer);
        return buffer;
    }

    /// <summary>Creates the tensor of class weights; null if there are none.</summary>
    protected Tensor? TensorOf(ClassWeights weights, params long[] shape)
    {
        if (weights.IsEmpty)
            return null;
        var values = new HostBuffer<float>(weights.Count, ScalarType.Float32);
        weights.Span.CopyTo(values.Values);
        Tensor shaped = values.First(weights.Count).reshape(shape).DetachFromDisposeScope();
        _owned.AddRange([shaped, values]);
        return shaped;
    }

    private protected static double WeightOf(Targets targets, int sample)
        => targets.SampleWeights.IsEmpty ? 1 : targets.SampleWeights[sample];

    private Tensor SumsOfSamples(Tensor y) => Reduced(y, TorchReduction.None).reshape(y.shape[0], -1).sum([1]);

    private static void Widen(ReadOnlySpan<int> labels, Span<long> to)
    {
        for (int i = 0; i < labels.Length; i++)
            to[i] = labels[i];
    }

    private sealed class CrossEntropy : TorchLoss
    {
        private readonly SoftmaxCrossEntropy _softmax;
        private readonly HostBuffer<long> _labels;
        private readonly HostBuffer<float> _probabilities;
        private readonly Tensor? _weights;
        private int _count;

        public CrossEntropy(SoftmaxCrossEntropy softmax, int batchSize, Shape output)
            : base(softmax, batchSize, output)
        {
            _softmax = softmax;
            int length = batchSize * softmax.TargetsPerSample(output);
            _labels = Buffer<long>(softmax.SoftTargets ? 0 : length, ScalarType.Int64);
            _probabilities = Buffer<float>(softmax.SoftTargets ? length : 0, ScalarType.Float32);
            _weights = TensorOf(softmax.ClassWeights, output.C);
        }

        public override string Function => "cross_entropy";

        protected override void Prepare(Targets targets)
        {
            Widen(targets.Classes, _labels.Values);
            targets.Values.CopyTo(_probabilities.Values);
            _count = Math.Max(targets.Classes.Length, targets.Values.Length);
        }

        protected override Tensor Reduced(Tensor y, TorchReduction reduction)
        {
            Tensor targets = _softmax.SoftTargets ? _probabilities.First(_count).view_as(y) : _labels.First(_count);
            if (!_softmax.SoftTargets && y.dim() == 4)
                targets = targets.reshape(y.shape[0], y.shape[2], y.shape[3]);
            return functional.cross_entropy(y, targets, _weights, _softmax.IgnoreClass, reduction,
                _softmax.LabelSmoothing);
        }

        protected override double Count(Targets targets)
        {
            double total = 0;
            if (_softmax.SoftTargets)
            {
                for (int i = 0; i < targets.Values.Length / _output.Length; i++)
                    total += WeightOf(targets, i) * _output.Area;
                return total;
            }
            int each = _softmax.TargetsPerSample(_output);
            for (int i = 0; i < targets.Classes.Length; i++)
            {
                int label = targets.Classes[i];
                if (label != _softmax.IgnoreClass)
                    total += WeightOf(targets, i / each)
                        * (_softmax.ClassWeights.IsEmpty ? 1 : _softmax.ClassWeights[label]);
            }
            return total;
        }
    }

    // s_t·Σ_{j≠t} max(0, y_j − y_t + Δ)ᵖ over the outputs of the other classes. Multiplying the label's own margin by
    // 0 would give NaN if its score is infinite. Torch's multi_margin_loss takes a NaN for a margin that is kept.
    private sealed class Hinge : TorchLoss
    {
        private readonly HingeLoss _hinge;
        private readonly int _classes;
        private readonly HostBuffer<long> _labels, _others;
        private readonly HostBuffer<float> _margin, _factors;
        private int _n;

        public Hinge(HingeLoss hinge, int batchSize, Shape output)
            : base(hinge, batchSize, output)
        {
            (_hinge, _classes) = (hinge, output.C);
            _labels = Buffer<long>(batchSize, ScalarType.Int64);
            _others = Buffer<long>(batchSize * (_classes - 1), ScalarType.Int64);
            _margin = Buffer<float>(1, ScalarType.Float32);
            _factors = Buffer<float>(batchSize, ScalarType.Float32);
        }

        public override string Function => "gather, relu, sum";

        protected override void Prepare(Targets targets)
        {
            ReadOnlySpan<int> labels = targets.Classes;
            _n = labels.Length;
            Widen(labels, _labels.Values);
            _margin.Values[0] = _hinge.Distance;
            for (int i = 0; i < _n; i++)
                _factors.Values[i] = _hinge.Factor<float>(labels[i], _classes);
            Span<long> others = _others.Values[..(_n * (_classes - 1))];
            for (int i = 0; i < others.Length; i++)
            {
                int sample = i / (_classes - 1), j = i % (_classes - 1);
                others[i] = j < labels[sample] ? j : j + 1;
            }
        }

        protected override Tensor Reduced(Tensor y, TorchReduction reduction)
        {
            Tensor own = y.gather(1, _labels.First(_n).reshape(_n, 1));
            Tensor margins = y.gather(1, _others.First(_n * (_classes - 1)).reshape(_n, _classes - 1)).sub(own);
            Tensor losses = margins.Plus(_margin.First(1)).relu();
            if (_hinge.Power == 2)
                losses = losses.square();
            losses = losses.sum([1]).mul(_factors.First(_n));
            return reduction switch
            {
                TorchReduction.Mean => losses.mean(),
                TorchReduction.Sum => losses.sum(),
                _ => losses,
            };
        }

        protected override double Count(Targets targets)
        {
            double total = 0;
            for (int i = 0; i < targets.Classes.Length; i++)
                total += WeightOf(targets, i);
            return total;
        }
    }

    private sealed class Elementwise : TorchLoss
    {
        private readonly ElementwiseCall _call;
        private readonly HostBuffer<float> _targets;
        private readonly Tensor? _weights;
        private int _count;

        public Elementwise(Loss loss, int batchSize, Shape output, string function, ElementwiseCall call,
            ClassWeights weights = default)
            : base(loss, batchSize, output)
        {
            (Function, _call) = (function, call);
            _targets = Buffer<float>(batchSize * output.Length, ScalarType.Float32);
            _weights = TensorOf(weights, output.IsVector ? [output.C] : [output.C, 1, 1]);
        }

        public override string Function { get; }

        protected override void Prepare(Targets targets)
        {
            targets.Values.CopyTo(_targets.Values);
            _count = targets.Values.Length;
        }

        protected override Tensor Reduced(Tensor y, TorchReduction reduction)
            => _call(y, _targets.First(_count).view_as(y), reduction, _weights);

        protected override double Count(Targets targets)
        {
            double total = 0;
            for (int i = 0; i < targets.Values.Length / _output.Length; i++)
                total += WeightOf(targets, i) * _output.Length;
            return total;
        }
    }
}
