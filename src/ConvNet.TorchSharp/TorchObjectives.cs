using static TorchSharp.torch;

namespace ConvNet;

/// <summary>The losses of a plan, and the start of its backward pass.</summary>
/// <remarks>The values of a pass are kept until <see cref="EndPass"/>, because the backward pass starts from
/// them.</remarks>
internal sealed class TorchObjectives : IDisposable
{
    private readonly IReadOnlyList<Objective> _objectives;
    private readonly Func<Objective, Tensor> _outputOf;
    private readonly Func<int, float> _factorOf;
    private readonly HostBuffer<float>[] _given;
    private readonly TorchLoss[] _losses;
    private readonly Tensor[] _factors;
    private readonly Tensor?[] _values;

    /// <summary>Creates the losses.</summary>
    /// <param name="objectives">The losses, with the outputs that they read.</param>
    /// <param name="batchSize">The largest number of samples.</param>
    /// <param name="outputOf">The output of the pass that a loss reads.</param>
    /// <param name="factorOf">The factor of the gradients of each loss.</param>
    public TorchObjectives(IReadOnlyList<Objective> objectives, int batchSize, Func<Objective, Tensor> outputOf,
        Func<int, float> factorOf)
    {
        (_objectives, _outputOf, _factorOf) = (objectives, outputOf, factorOf);
        _values = new Tensor?[objectives.Count];
        _given = [.. objectives.Select(of
            => new HostBuffer<float>(batchSize * of.Output.Shape.Length, ScalarType.Float32, false))];
        _losses = [.. objectives.Select(of => TorchLoss.Of(of.Loss, batchSize, of.Output.Shape))];
        _factors = [.. objectives.Select(of => tensor(of.Weight, device: CPU).DetachFromDisposeScope())];
    }

    /// <summary>Computes a loss of the pass.</summary>
    public double Evaluate(int index, Targets targets)
    {
        Tensor loss = _losses[index].Evaluate(_outputOf(_objectives[index]), targets);
        _values[index]?.Dispose();
        _values[index] = loss.DetachFromDisposeScope();
        return loss.Floats()[0];
    }

    /// <summary>Computes a loss for each sample of given outputs.</summary>
    public void EvaluateSamples(int index, ReadOnlySpan<float> outputs, Targets targets, Span<double> losses)
    {
        Shape shape = _objectives[index].Output.Shape;
        Tensor y = Given(index, outputs);
        _losses[index].EvaluateSamples(shape.IsVector ? y.reshape(losses.Length, shape.C)
            : y.reshape(losses.Length, shape.C, shape.H, shape.W), targets, losses);
    }

    /// <summary>Lets torch compute all gradients, of the losses of the pass or from given gradients of the
    /// outputs.</summary>
    public void Differentiate(BatchValues outputGradient)
    {
        // If neither parameters nor inputs need a gradient, torch has nothing to differentiate.
        List<Tensor> from = [], gradients = [];
        bool plain = outputGradient.IsEmpty && _objectives.Count == 1 && _factorOf(0) == 1;
        for (int i = 0; i < _objectives.Count; i++)
        {
            Tensor y = _outputOf(_objectives[i]);
            if (!y.requires_grad || (!outputGradient.IsEmpty && outputGradient[i].IsEmpty))
                continue;
            Tensor root = outputGradient.IsEmpty ? _values[i]! : y;
            from.Add(root);
            if (plain)
                continue;
            Tensor gradient = outputGradient.IsEmpty ? FactorOf(i) : Given(i, outputGradient[i]);
            gradients.Add(gradient.view_as(root));
        }
        // The call with lists leaves several objects of each step to the garbage collector.
        if (plain && from.Count == 1)
            from[0].backward();
        else if (from.Count > 0)
            autograd.backward(from, gradients);
    }

    /// <summary>Frees the losses of the pass.</summary>
    public void EndPass()
    {
        Array.ForEach(_values, value => value?.Dispose());
        Array.Clear(_values);
    }

    public void Dispose()
    {
        EndPass();
        Array.ForEach(_losses, loss => loss.Dispose());
        Array.ForEach(_factors, factor => factor.Dispose());
        Array.ForEach(_given, buffer => buffer.Dispose());
    }

    private Tensor FactorOf(int index)
    {
        _factors[index].Floats()[0] = _factorOf(index);
        return _factors[index];
    }

    private Tensor Given(int index, ReadOnlySpan<float> values)
    {
        values.CopyTo(_given[index].Values);
        return _given[index].First(values.Length);
    }
}
