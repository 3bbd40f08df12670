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
        double value;
        fixed (int* labels = CallerSpan.Aligned(targets.Classes))
        fixed (float* values = CallerSpan.Aligned(targets.Values))
        fixed (float* weights = CallerSpan.Aligned(targets.SampleWeights))
        {
            switch (_loss)
            {
                case SoftmaxCrossEntropy:
                    cn_softmax_cross_entropy(run.Context, run.N, _shape.C, _shape.Area, output.Pointer, labels, weights,
                        &value, gradient.Pointer).ThrowIfFailed();
                    return value;
                case MulticlassSvm svm:
                    cn_multiclass_svm(run.Context, run.N, _shape.C, svm.Margin, output.Pointer, labels, weights,
                        &value, gradient.Pointer).ThrowIfFailed();
                    return value;
                case MeanSquaredError:
                    cn_mean_squared_error(run.Context, run.N, _shape.Length, output.Pointer, values, weights,
                        &value, gradient.Pointer).ThrowIfFailed();
                    return value;
                default:
                    var y = new ReadOnlySpan<float>(output.Pointer, run.N * _shape.Length);
                    return _loss.Evaluate(new LossFrame<float>(_shape, y, targets, Gradient(run.N)));
            }
        }
    }
}
