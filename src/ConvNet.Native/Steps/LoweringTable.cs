using ConvNet.Native.Interop;
using ConvNet.Native.Steps;

namespace ConvNet.Native;

/// <summary>Maps layers to kernels. Only this class and <see cref="Fusion"/> distinguish the layer types.</summary>
internal static class LoweringTable
{
    /// <summary>Returns the primitive of an operation. A layer without a kernel runs in C#.</summary>
    /// <param name="operation">The operation.</param>
    /// <param name="inputs">The tensor descriptors with which the producers write the inputs.</param>
    public static Primitive Of(Operation operation, IReadOnlyList<cn_tensor> inputs) => operation.Node.Layer switch
    {
        Conv2d layer => new ConvPrimitive(operation, layer, inputs[0]),
        ConvTranspose2d layer => new ConvTransposePrimitive(operation, layer),
        Linear layer => new LinearPrimitive(operation, layer, inputs[0]),
        MaxPool2d or AvgPool2d or GlobalAvgPool2d => new PoolPrimitive(operation, PoolOf(operation.Node)!),
        BatchNorm2d layer => new BatchNormPrimitive(operation, layer),
        Relu => new ActivationPrimitive(operation, inputs, cn_activation_kind.CN_ACTIVATION_RELU),
        Gelu layer => new ActivationPrimitive(operation, inputs, layer.Approximate == GeluApproximation.None
            ? cn_activation_kind.CN_ACTIVATION_GELU
            : cn_activation_kind.CN_ACTIVATION_GELU_TANH),
        Add => new AddPrimitive(operation, inputs),
        Concat => new ConcatPrimitive(operation, inputs),
        Dropout layer => new DropoutPrimitive(operation, layer, inputs),
        Layer layer => new ManagedPrimitive(operation, layer),
        null => throw new InvalidOperationException("The input is no operation."),
    };

    /// <summary>Returns the kernel parameters of a pooling layer, or null if the node is not a pooling layer.</summary>
    public static PoolKernel? PoolOf(Node node) => node.Layer switch
    {
        MaxPool2d layer => new PoolKernel(layer.Window, cn_pool_kind.CN_POOL_MAX),
        AvgPool2d layer => new PoolKernel(layer.Window, cn_pool_kind.CN_POOL_AVERAGE, layer.CountIncludePad),
        GlobalAvgPool2d layer => new PoolKernel(layer.Sees(node.InputShapes)!.Value, cn_pool_kind.CN_POOL_AVERAGE),
        _ => null,
    };
}
