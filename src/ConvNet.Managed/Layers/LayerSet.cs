namespace ConvNet;

/// <summary>The kinds of layers that a reader of files recognises, by name.</summary>
/// <remarks>A set is immutable; <see cref="With"/> returns a new one. Readers use <see cref="BuiltIn"/> by
/// default.</remarks>
public sealed class LayerSet : DeclarationSet<LayerDeclaration, Layer>
{
    private LayerSet(IReadOnlyList<LayerDeclaration> declarations)
        : base("layer", declarations)
    {
    }

    /// <summary>All layers of this library.</summary>
    public static LayerSet BuiltIn { get; } = new(
    [
        Conv2d.Declared,
        Linear.Declared,
        MaxPool2d.Declared,
        AvgPool2d.Declared,
        GlobalAvgPool2d.Declared,
        GlobalMaxPool2d.Declared,
        AdaptiveAvgPool2d.Declared,
        AdaptiveMaxPool2d.Declared,
        BatchNorm2d.Declared,
        LayerNorm.Declared,
        GroupNorm.Declared,
        InstanceNorm2d.Declared,
        LocalResponseNorm.Declared,
        Relu.Declared,
        Relu6.Declared,
        LeakyRelu.Declared,
        Gelu.Declared,
        Clip.Declared,
        Prelu.Declared,
        Elu.Declared,
        Selu.Declared,
        Celu.Declared,
        Silu.Declared,
        Mish.Declared,
        Softplus.Declared,
        Exp.Declared,
        Log.Declared,
        Erf.Declared,
        Pow.Declared,
        Threshold.Declared,
        HardSwish.Declared,
        HardSigmoid.Declared,
        Sigmoid.Declared,
        Tanh.Declared,
        Softmax.Declared,
        LogSoftmax.Declared,
        Flatten.Declared,
        Dropout.Declared,
        Dropout2d.Declared,
        StochasticDepth.Declared,
        Add.Declared,
        Subtract.Declared,
        Multiply.Declared,
        LayerScale.Declared,
        Concat.Declared,
        ConvTranspose2d.Declared,
        Pad2d.Declared,
        Upsample.Declared,
        PixelShuffle.Declared,
        PixelUnshuffle.Declared,
        ChannelShuffle.Declared,
        Permute.Declared,
        Slice.Declared,
        Reshape.Declared,
    ]);

    /// <summary>Returns a set with additional kinds.</summary>
    /// <param name="declarations">The declarations of the layers.</param>
    /// <exception cref="ArgumentException">A kind is already in the set.</exception>
    public LayerSet With(params IEnumerable<LayerDeclaration> declarations) => new([.. Declarations, .. declarations]);
}
