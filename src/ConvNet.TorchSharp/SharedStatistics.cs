using static TorchSharp.torch;

namespace ConvNet;

/// <summary>Adds up vectors over the executables that share a batch.</summary>
/// <param name="exchange">The executables.</param>
/// <param name="onFailure">Receives an exception of a backward pass, through which it must not propagate.</param>
internal sealed class SharedStatistics(IStatisticsExchange exchange, Action<Exception> onFailure)
{
    private bool _failed;

    /// <summary>The number of samples of the whole batch.</summary>
    public int Samples => exchange.Samples;

    /// <summary>Returns the sum of a vector, without a gradient.</summary>
    public Tensor Sum(Tensor x)
    {
        using Tensor own = x.detach().contiguous();
        double[] values = Array.ConvertAll(own.Floats().ToArray(), value => (double)value);
        exchange.Sum(values);
        return tensor(Array.ConvertAll(values, value => (float)value), device: CPU);
    }

    /// <summary>Returns the sum of a gradient; the gradient itself after a failure, which ends the pass.</summary>
    public Tensor SumInBackward(Tensor gradient)
    {
        if (_failed)
            return gradient;
        try
        {
            return Sum(gradient);
        }
        catch (Exception error)
        {
            _failed = true;
            onFailure(error);
            return gradient;
        }
    }
}
