using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>The loss of a batch and the gradient of its scores. A loss that the library lacks runs in C#: its tensors
/// are plain.</summary>
internal sealed unsafe class LossStep(Loss loss, Slot scores, Slot gradient, Shape shape)
{
    /// <summary>All that it reads or writes.</summary>
    public IReadOnlyList<Slot> Slots { get; } = [scores, gradient];

    /// <summary>The gradient of the scores of a batch.</summary>
    public Span<float> Gradient(int n) => new(gradient.Pointer, n * shape.Length);

    /// <summary>The mean loss.</summary>
    public double Evaluate(in Run run, Targets targets)
    {
        double value;
        fixed (int* labels = CallerSpan.Aligned(targets.Classes))
        fixed (float* values = CallerSpan.Aligned(targets.Values))
        fixed (float* weights = CallerSpan.Aligned(targets.SampleWeights))
        {
            switch (loss)
            {
                case SoftmaxCrossEntropy:
                    cn_softmax_cross_entropy(run.Context, run.N, shape.C, shape.Area, scores.Pointer, labels, weights,
                        &value, gradient.Pointer).ThrowIfFailed();
                    return value;
                case MulticlassSvm svm:
                    cn_multiclass_svm(run.Context, run.N, shape.C, svm.Margin, scores.Pointer, labels, weights,
                        &value, gradient.Pointer).ThrowIfFailed();
                    return value;
                case MeanSquaredError:
                    cn_mean_squared_error(run.Context, run.N, shape.Length, scores.Pointer, values, weights,
                        &value, gradient.Pointer).ThrowIfFailed();
                    return value;
                default:
                    var y = new ReadOnlySpan<float>(scores.Pointer, run.N * shape.Length);
                    return loss.Evaluate(new LossFrame<float>(shape, y, targets, Gradient(run.N)));
            }
        }
    }
}
