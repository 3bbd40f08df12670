using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.cn_loss_kind;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Computes the loss of an output and its gradient. A loss without a kernel runs in C#, on plain
/// tensors.</summary>
internal sealed unsafe class LossStep
{
    private readonly Objective _objective;
    private readonly Slot _output, _gradient;
    private readonly float[] _classWeights;
    private readonly cn_loss? _descriptor;

    public LossStep(Objective objective, Slot output, Slot gradient)
    {
        (_objective, _output, _gradient, Slots) = (objective, output, gradient, [output, gradient]);
        ClassWeights weights = objective.Loss switch
        {
            SoftmaxCrossEntropy softmax => softmax.ClassWeights,
            MultiMarginLoss margins => margins.ClassWeights,
            BinaryCrossEntropyWithLogits binary => binary.PositiveWeights,
            _ => default,
        };
        // The descriptor refers to the weights, which must therefore stay where they are.
        _classWeights = GC.AllocateArray<float>(weights.Count, pinned: true);
        weights.Span.CopyTo(_classWeights);
        _descriptor = Describe(objective.Loss) is { } described ? described with
        {
            classes = Shape.C,
            pixels = Shape.Area,
            gradient = 1,
            reduction = (cn_reduction)objective.Loss.Reduction,
            class_weights = weights.IsEmpty ? 0 : Marshal.UnsafeAddrOfPinnedArrayElement(_classWeights, 0),
        } : null;
    }

    /// <summary>All slots that the step reads or writes.</summary>
    public IReadOnlyList<Slot> Slots { get; }

    /// <summary>Whether a kernel computes the loss.</summary>
    public bool HasKernel => _descriptor is not null;

    private Shape Shape => _objective.Output.Shape;

    /// <summary>Returns the gradient of the output for n samples.</summary>
    public Span<float> Gradient(int n) => new(_gradient.Pointer, n * Shape.Length);

    /// <summary>Returns the mean loss without its weight. Writes its gradient multiplied by a factor.</summary>
    public double Evaluate(in Run run, Targets targets, float factor)
    {
        double value = Unweighted(run, targets);
        if (factor != 1)
            TensorPrimitives.Multiply(Gradient(run.N), factor, Gradient(run.N));
        return value;
    }

    /// <summary>Computes the loss of each sample by the kernel, without its weight.</summary>
    /// <param name="context">The context of the calls.</param>
    /// <param name="y">The outputs.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="losses">Receives the losses.</param>
    public void EvaluateSamples(in cn_context context, ReadOnlySpan<float> y, Targets targets, Span<double> losses)
    {
        cn_loss descriptor = _descriptor!.Value with { gradient = 0 };
        int each = _objective.Loss.TargetsPerSample(Shape);
        fixed (float* output = CallerSpan.Aligned(y))
        fixed (int* labels = CallerSpan.Aligned(targets.Classes))
        fixed (float* values = CallerSpan.Aligned(targets.Values))
        fixed (double* value = losses)
        {
            for (int n = 0; n < losses.Length; n++)
                cn_loss_evaluate(context, descriptor, 1, output + (long)n * Shape.Length, labels is null
                    ? values + (long)n * each : (void*)(labels + (long)n * each), null, value + n, null)
                    .ThrowIfFailed();
        }
    }

    private double Unweighted(in Run run, Targets targets)
    {
        if (_descriptor is not { } descriptor)
        {
            var y = new ReadOnlySpan<float>(_output.Pointer, run.N * Shape.Length);
            return _objective.Loss.Evaluate(new LossFrame<float>(Shape, y, targets, Gradient(run.N)));
        }
        double value;
        fixed (int* labels = CallerSpan.Aligned(targets.Classes))
        fixed (float* values = CallerSpan.Aligned(targets.Values))
        fixed (float* weights = CallerSpan.Aligned(targets.SampleWeights))
        {
            descriptor.weighted = weights is null ? 0 : 1;
            cn_loss_evaluate(run.Context, descriptor, run.N, _output.Pointer, labels is null ? values : (void*)labels,
                weights, &value, _gradient.Pointer).ThrowIfFailed();
        }
        return value;
    }

    private static cn_loss? Describe(Loss loss) => loss switch
    {
        SoftmaxCrossEntropy softmax => new()
        {
            kind = softmax.SoftTargets ? CN_SOFT_CROSS_ENTROPY : CN_SOFTMAX_CROSS_ENTROPY,
            smoothing = softmax.LabelSmoothing,
            ignores = softmax.IgnoredClass is null ? 0 : 1,
            ignored = softmax.IgnoredClass ?? 0,
        },
        MulticlassSvm svm => new() { kind = CN_MULTICLASS_SVM, margin = svm.Margin },
        MultiMarginLoss margins => new() { kind = CN_MULTI_MARGIN, margin = margins.Margin, power = margins.P },
        MeanSquaredError => new() { kind = CN_MEAN_SQUARED_ERROR },
        L1Loss => new() { kind = CN_ABSOLUTE_ERROR },
        HuberLoss huber => new() { kind = CN_HUBER, margin = huber.Delta },
        SmoothL1Loss smooth => new() { kind = CN_SMOOTH_L1, margin = smooth.Beta },
        BinaryCrossEntropyWithLogits => new() { kind = CN_BINARY_CROSS_ENTROPY },
        KLDivergence divergence => new() { kind = divergence.LogTarget ? CN_KL_DIVERGENCE_LOG : CN_KL_DIVERGENCE },
        _ => null,
    };
}
