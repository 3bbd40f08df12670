namespace ConvNet;

/// <content>What a backend implements. The arguments are valid.</content>
public abstract partial class Executable
{
    /// <summary>Computes the outputs of <paramref name="n"/> samples in training mode.</summary>
    /// <param name="input">The values of the inputs, in the order of the graph's inputs.</param>
    /// <param name="n">The number of samples in the batch.</param>
    protected abstract void ForwardCore(BatchValues input, int n);

    /// <summary>Computes the mean loss of one output, without its weight, and stores its gradient multiplied by
    /// <see cref="LossFactor"/> for <see cref="BackwardCore"/>.</summary>
    /// <param name="index">The index of the output in <see cref="Objectives"/>.</param>
    /// <param name="targets">The targets of the output.</param>
    protected abstract double LossCore(int index, Targets targets);

    /// <summary>Computes the gradients; if <paramref name="outputGradient"/> is empty, those of the losses.</summary>
    /// <param name="outputGradient">The gradients of the outputs in the order of <see cref="Objectives"/>; an empty one
    /// stands for zero.</param>
    /// <param name="accumulate">Whether the new gradients are added to the existing ones.</param>
    protected abstract void BackwardCore(BatchValues outputGradient, bool accumulate);

    /// <summary>Updates all parameters; if it throws, none is changed.</summary>
    protected abstract void StepCore(float learningRate);

    /// <summary>Copies all buffers, replacing the previous copy.</summary>
    protected abstract void KeepBuffersCore();

    /// <summary>Swaps the buffers with their copy.</summary>
    protected abstract void ExchangeBuffersCore();

    /// <summary>Computes the gradients from the loss and updates the parameters. An override may fuse both, with the
    /// same result.</summary>
    protected virtual void BackwardAndStepCore(float learningRate)
    {
        BackwardCore(default, false);
        StepCore(learningRate);
    }

    /// <summary>Computes the outputs of <paramref name="n"/> samples in inference mode.</summary>
    /// <param name="input">The values of the inputs, in the order of the graph's inputs.</param>
    /// <param name="n">The number of samples in the batch.</param>
    /// <param name="output">Receives the outputs, in the order of the graph's outputs; an empty one is not
    /// needed.</param>
    protected abstract void InferCore(BatchValues input, int n, BatchBuffers output);

    /// <summary>Computes the loss of each sample of one output, without the weight of the loss. An override computes
    /// what the base class does, <see cref="ConvNet.Loss.EvaluateSamples"/>, in its own way.</summary>
    /// <param name="index">The index of the output in <see cref="Objectives"/>.</param>
    /// <param name="values">The N×C×H×W values of the output.</param>
    /// <param name="targets">The targets of the output.</param>
    /// <param name="losses">Receives N losses.</param>
    protected virtual void SampleLossesCore(int index, ReadOnlySpan<float> values, Targets targets,
        Span<double> losses)
        => Objectives[index].Loss.EvaluateSamples(Objectives[index].Output.Shape, values, targets, losses);

    /// <summary>Reads an output of the last forward pass.</summary>
    /// <param name="index">The index of the output in the graph's outputs.</param>
    /// <param name="values">Receives the N×C×H×W values.</param>
    protected abstract void ReadOutputCore(int index, Span<float> values);

    /// <summary>Reads a parameter or buffer.</summary>
    protected abstract void ReadCore(Parameter parameter, Span<float> values);

    /// <summary>Writes a parameter or buffer.</summary>
    protected abstract void WriteCore(Parameter parameter, ReadOnlySpan<float> values);

    /// <summary>Reads a gradient.</summary>
    protected abstract void ReadGradientCore(Parameter parameter, Span<float> values);

    /// <summary>Reads the gradient of an input; it is zero if no loss depends on the input.</summary>
    /// <param name="index">The index of the input in the graph's inputs.</param>
    /// <param name="values">Receives the N×C×H×W values.</param>
    protected abstract void ReadInputGradientCore(int index, Span<float> values);
}
