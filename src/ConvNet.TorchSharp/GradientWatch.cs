using static TorchSharp.torch;

namespace ConvNet;

/// <summary>The identity as an autograd function. It invokes a callback when the backward pass reaches it.</summary>
internal sealed class GradientWatch : autograd.SingleTensorFunction<GradientWatch>
{
    private const string Arrived = "arrived";

    public override string Name => nameof(GradientWatch);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        ctx.save_data(Arrived, vars[1]);
        return ((Tensor)vars[0]).alias();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        ((Action)ctx.get_data(Arrived))();
        return [grad_output, null!];        // the second argument has no gradient
    }
}
