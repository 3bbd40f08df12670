using static TorchSharp.torch;

namespace ConvNet;

/// <summary>The sum of a vector over the executables that share a batch, as an autograd function: its gradient is the
/// sum of theirs. PyTorch: torch.distributed.nn.functional.all_reduce.</summary>
internal sealed class SharedSum : autograd.SingleTensorFunction<SharedSum>
{
    private const string Statistics = "statistics";

    public override string Name => nameof(SharedSum);

    /// <summary>Returns the sum of a vector.</summary>
    public static Tensor Of(Tensor x, SharedStatistics statistics) => apply(x, statistics.Sum(x), statistics);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.save_data(Statistics, vars[2]);
        return ((Tensor)vars[1]).alias();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        => [((SharedStatistics)ctx.get_data(Statistics)).SumInBackward(grad_output), null!, null!];
}
