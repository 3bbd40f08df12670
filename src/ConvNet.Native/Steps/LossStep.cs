using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>The loss of a batch and the gradient of its output. A loss that the library lacks runs in C#: its tensors
/// are plain.</summary>
internal sealed unsafe class LossStep(Loss loss, Slot output, Slot gradient, Shape shape)
{
    /// <summary>All that it reads or writes.</summary>
    public IReadOnlyList<Slot> Slots { get; } = [output, gradient];

    /// <summary>The gradient of the output of a batch.</summary>
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
                    cn_softmax_cross_entropy(run.Context, run.N, shape.C, shape.Area, output.Pointer, labels, weights,
                        &value, gradient.Pointer).ThrowIfFailed();
                    return value;
                case MulticlassSvm svm:
                    cn_multiclass_svm(run.Context, run.N, shape.C, svm.Margin, output.Pointer, labels, weights,
                        &value, gradient.Pointer).ThrowIfFailed();
                    return value;
                case MeanSquaredError:
                    cn_mean_squared_error(run.Context, run.N, shape.Length, output.Pointer, values, weights,
                        &value, gradient.Pointer).ThrowIfFailed();
                    return value;
                default:
                    var y = new ReadOnlySpan<float>(output.Pointer, run.N * shape.Length);
                    return loss.Evaluate(new LossFrame<float>(shape, y, targets, Gradient(run.N)));
            }
        }
    }
}
