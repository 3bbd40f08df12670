using System.Diagnostics;
using ConvNet.Native.Interop;
using ConvNet.Native.Steps;

namespace ConvNet.Native;

/// <summary>Maps layers to kernels. Only this class and <see cref="Fusion"/> distinguish the layer types.</summary>
internal static class LoweringTable
{
    /// <summary>Returns the primitive of an operation. A layer without a kernel runs in C#.</summary>
    /// <param name="operation">The operation.</param>
    /// <param name="inputs">The tensor descriptors with which the producers write the inputs.</param>
    /// <param name="pass">The pass specification.</param>
    public static Primitive Of(Operation operation, IReadOnlyList<cn_tensor> inputs, PassSpec pass)
        => operation.Node.Layer switch
        {
            Conv2d layer => new ConvPrimitive(operation, layer, inputs[0], pass),
            ConvTranspose2d layer => new ConvTransposePrimitive(operation, layer, pass),
            Linear layer => new LinearPrimitive(operation, layer, inputs[0]),
            Pool2d or AdaptivePool2d or GlobalAvgPool2d or GlobalMaxPool2d
                => new PoolPrimitive(operation, PoolOf(operation.Node)!),
            BatchNorm2d layer => new BatchNormPrimitive(operation, layer),
            SampleNorm layer => new SampleNormPrimitive(operation, layer),
            Softmax => new SoftmaxPrimitive(operation, logarithm: false),
            LogSoftmax => new SoftmaxPrimitive(operation, logarithm: true),
            LocalResponseNorm layer => new LocalResponseNormPrimitive(operation, layer),
            Add => new AddPrimitive(operation, inputs),
            Subtract => new SubtractPrimitive(operation, inputs),
            Multiply when operation.Node.Inputs[0].Shape == operation.Node.Shape
                && operation.Node.Inputs[1].Shape == operation.Node.Shape
                => new MultiplyPrimitive(operation, inputs),
            Multiply => ChannelScalePrimitive.OfMaps(operation),
            LayerScale => ChannelScalePrimitive.OfParameter(operation, perChannel: true, negatives: false),
            Prelu layer => ChannelScalePrimitive.OfParameter(operation, layer.PerChannel, negatives: true),
            Concat => new ConcatPrimitive(operation, inputs),
            Slice { Axis: SliceAxis.Channels } layer => new SlicePrimitive(operation, layer),
            Slice layer => ResamplePrimitive.Of(operation, layer),
            Resampling2d layer => new ResamplePrimitive(operation, layer.RowTaps(operation.Node.Inputs[0].Shape),
                layer.ColumnTaps(operation.Node.Inputs[0].Shape)),
            ChannelShuffle layer => RearrangePrimitive.Channels(operation, layer.Groups),
            PixelShuffle layer => RearrangePrimitive.Pixels(operation, layer.Factor, isInverse: false),
            PixelUnshuffle layer => RearrangePrimitive.Pixels(operation, layer.Factor, isInverse: true),
            Permute layer => RearrangePrimitive.Permutation(operation,
                layer.Dimensions(operation.Node.Inputs[0].Shape)),
            Dropout layer => new DropoutPrimitive(operation, layer, cn_drop_unit.CN_DROP_VALUES, inputs),
            Dropout2d layer => new DropoutPrimitive(operation, layer, cn_drop_unit.CN_DROP_MAPS, inputs),
            StochasticDepth { Mode: StochasticDepthMode.Row } layer
                => new DropoutPrimitive(operation, layer, cn_drop_unit.CN_DROP_SAMPLES, inputs),
            StochasticDepth layer => new DropoutPrimitive(operation, layer, cn_drop_unit.CN_DROP_BATCH, inputs),
            not null when ActivationOf(operation.Node) is { kind: not cn_activation_kind.CN_IDENTITY } activation
                => new ActivationPrimitive(operation, inputs, activation),
            Layer layer => new ManagedPrimitive(operation, layer),
            null => throw new UnreachableException("An input is not an operation."),
        };

    /// <summary>Returns the activation of a node, or the identity if its layer is not an activation with a
    /// kernel.</summary>
    public static cn_activation ActivationOf(Node node) => node.Layer switch
    {
        Relu => new cn_activation(cn_activation_kind.CN_RELU),
        Relu6 => new cn_activation(cn_activation_kind.CN_RELU6),
        LeakyRelu layer => new cn_activation(cn_activation_kind.CN_LEAKY_RELU, layer.NegativeSlope),
        Gelu { Approximate: GeluApproximation.None } => new cn_activation(cn_activation_kind.CN_GELU),
        Gelu => new cn_activation(cn_activation_kind.CN_GELU_TANH),
        Clip layer => new cn_activation(cn_activation_kind.CN_CLIP, a: layer.Min, b: layer.Max),
        Elu layer => new cn_activation(cn_activation_kind.CN_ELU, a: layer.Alpha),
        Celu layer => new cn_activation(cn_activation_kind.CN_CELU, a: layer.Alpha),
        Selu => new cn_activation(cn_activation_kind.CN_SELU),
        Sigmoid => new cn_activation(cn_activation_kind.CN_SIGMOID),
        Tanh => new cn_activation(cn_activation_kind.CN_TANH),
        HardSigmoid => new cn_activation(cn_activation_kind.CN_HARD_SIGMOID),
        Silu => new cn_activation(cn_activation_kind.CN_SILU),
        Mish => new cn_activation(cn_activation_kind.CN_MISH),
        HardSwish => new cn_activation(cn_activation_kind.CN_HARD_SWISH),
        Softplus layer => new cn_activation(cn_activation_kind.CN_SOFTPLUS, a: layer.Beta, b: layer.Threshold),
        Exp => new cn_activation(cn_activation_kind.CN_EXP),
        Log => new cn_activation(cn_activation_kind.CN_LOG),
        Erf => new cn_activation(cn_activation_kind.CN_ERF),
        Pow { Exponent: 0.5f } => new cn_activation(cn_activation_kind.CN_SQRT),
        Pow { Exponent: -1 } => new cn_activation(cn_activation_kind.CN_RECIPROCAL),
        Pow layer => new cn_activation(cn_activation_kind.CN_POW, a: layer.Exponent, b: layer.SignBelowZero),
        Threshold layer => new cn_activation(cn_activation_kind.CN_THRESHOLD, a: layer.Limit, b: layer.Constant),
        _ => default,
    };

    /// <summary>Returns the kernel parameters of a pooling layer, or null if the node is not a pooling layer.</summary>
    public static PoolKernel? PoolOf(Node node) => node.Layer switch
    {
        MaxPool2d layer => new PoolKernel(layer.Window, cn_pool_kind.CN_POOL_MAX),
        AvgPool2d layer => new PoolKernel(layer.Window, cn_pool_kind.CN_POOL_AVERAGE, layer.CountIncludePad,
            layer.DivisorOverride),
        GlobalAvgPool2d layer => new PoolKernel(layer.Sees(node.InputShapes)!.Value, cn_pool_kind.CN_POOL_AVERAGE),
        GlobalMaxPool2d layer => new PoolKernel(layer.Sees(node.InputShapes)!.Value, cn_pool_kind.CN_POOL_MAX),
        AdaptiveAvgPool2d layer => PoolKernel.Adaptive(layer, node.InputShapes[0], cn_pool_kind.CN_POOL_AVERAGE),
        AdaptiveMaxPool2d layer => PoolKernel.Adaptive(layer, node.InputShapes[0], cn_pool_kind.CN_POOL_MAX),
        _ => null,
    };
}
