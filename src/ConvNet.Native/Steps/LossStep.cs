using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Native.Steps;

/// <summary>The loss of a batch and the gradient of its scores. A loss that the library lacks runs in C#: its tensors are plain.</summary>
internal sealed unsafe class LossStep(Loss loss, Slot scores, Slot gradient, int classes)
{
    /// <summary>All that it reads or writes.</summary>
    public IReadOnlyList<Slot> Slots { get; } = [scores, gradient];

    /// <summary>The gradient of the scores of a batch.</summary>
    public Span<float> Gradient(int n) => new(gradient.Pointer, n * classes);

    /// <summary>The mean loss against class labels.</summary>
    public double Evaluate(in Run run, ReadOnlySpan<int> labels)
    {
        double value;
        fixed (int* y = CallerSpan.Aligned(labels))
        {
            switch (loss)
            {
                case SoftmaxCrossEntropy:
                    cn_softmax_cross_entropy(run.Context, run.N, classes, scores.Pointer, y, &value, gradient.Pointer).ThrowIfFailed();
                    return value;
                case MulticlassSvm svm:
                    cn_multiclass_svm(run.Context, run.N, classes, svm.Margin, scores.Pointer, y, &value, gradient.Pointer).ThrowIfFailed();
                    return value;
                default:
                    return loss.Evaluate(Scores(run.N), labels, Gradient(run.N));
            }
        }
    }

    /// <summary>The mean loss against targets.</summary>
    public double Evaluate(in Run run, ReadOnlySpan<float> targets)
    {
        if (loss is not MeanSquaredError)
            return loss.Evaluate(Scores(run.N), targets, Gradient(run.N));
        double value;
        fixed (float* t = CallerSpan.Aligned(targets))
            cn_mean_squared_error(run.Context, run.N, classes, scores.Pointer, t, &value, gradient.Pointer).ThrowIfFailed();
        return value;
    }

    private ReadOnlySpan<float> Scores(int n) => new(scores.Pointer, n * classes);
}
