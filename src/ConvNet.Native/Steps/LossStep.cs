using System.Numerics.Tensors;
using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>Computes the loss of an output and its gradient. A loss without a kernel runs in C#, on plain
/// tensors.</summary>
internal sealed unsafe class LossStep(Objective objective, Slot output, Slot gradient)
{
    private readonly Loss _loss = objective.Loss;
    private readonly Shape _shape = objective.Output.Shape;
    private readonly cn_loss? _descriptor = Describe(objective.Loss, objective.Output.Shape);

    /// <summary>All slots that the step reads or writes.</summary>
    public IReadOnlyList<Slot> Slots { get; } = [output, gradient];

    /// <summary>Returns the gradient of the output for n samples.</summary>
    public Span<float> Gradient(int n) => new(gradient.Pointer, n * _shape.Length);

    /// <summary>Returns the mean loss without its weight. Writes the gradient of the weighted loss.</summary>
    public double Evaluate(in Run run, Targets targets)
    {
        double value = Unweighted(run, targets);
        if (objective.Weight != 1)
            TensorPrimitives.Multiply(Gradient(run.N), objective.Weight, Gradient(run.N));
        return value;
    }

    private double Unweighted(in Run run, Targets targets)
    {
        // The kernel takes every label for a class.
        bool ignores = _loss.IgnoredClass is { } ignored && targets.Classes.Contains(ignored);
        if (_descriptor is not { } descriptor || ignores)
        {
            var y = new ReadOnlySpan<float>(output.Pointer, run.N * _shape.Length);
            return _loss.Evaluate(new LossFrame<float>(_shape, y, targets, Gradient(run.N)));
        }
        double value;
        fixed (int* labels = CallerSpan.Aligned(targets.Classes))
        fixed (float* values = CallerSpan.Aligned(targets.Values))
        fixed (float* weights = CallerSpan.Aligned(targets.SampleWeights))
        {
            descriptor.weighted = weights is null ? 0 : 1;
            cn_loss_evaluate(run.Context, descriptor, run.N, output.Pointer, labels is null ? values : (void*)labels,
                weights,
                &value, gradient.Pointer).ThrowIfFailed();
        }
        return value;
    }

    private static cn_loss? Describe(Loss loss, Shape shape) => loss switch
    {
        { Reduction: not Reduction.Mean } => null,
        SoftmaxCrossEntropy { LabelSmoothing: 0, SoftTargets: false, ClassWeights.IsEmpty: true }
            => Describe(cn_loss_kind.CN_SOFTMAX_CROSS_ENTROPY, shape),
        MulticlassSvm svm => Describe(cn_loss_kind.CN_MULTICLASS_SVM, shape) with { margin = svm.Margin },
        MeanSquaredError => Describe(cn_loss_kind.CN_MEAN_SQUARED_ERROR, shape),
        _ => null,
    };

    private static cn_loss Describe(cn_loss_kind kind, Shape shape)
        => new() { kind = kind, classes = shape.C, pixels = shape.Area, gradient = 1 };
}
