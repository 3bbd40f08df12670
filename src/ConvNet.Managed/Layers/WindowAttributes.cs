namespace ConvNet;

/// <summary>The attributes of a layer that has a window.</summary>
internal sealed class WindowAttributes
{
    /// <summary>What becomes of an output size that is not whole, unless said.</summary>
    public const Rounding UsualRounding = ConvNet.Rounding.Exact;

    private static readonly (string Word, Rounding Value)[] s_roundings = [("exact", ConvNet.Rounding.Exact),
        ("floor", ConvNet.Rounding.Floor), ("ceiling", ConvNet.Rounding.Ceiling)];

    private WindowAttributes(AttributeDeclaration<Extent> kernel, AttributeDeclaration<Extent> stride,
        AttributeDeclaration<Padding> padding, AttributeDeclaration<Rounding> rounding)
    {
        (Kernel, Stride, Padding, Rounding) = (kernel, stride, padding, rounding);
    }

    /// <summary>F.</summary>
    public AttributeDeclaration<Extent> Kernel { get; }

    /// <summary>S.</summary>
    public AttributeDeclaration<Extent> Stride { get; }

    /// <summary>P.</summary>
    public AttributeDeclaration<Padding> Padding { get; }

    /// <summary>What becomes of an output size that is not whole.</summary>
    public AttributeDeclaration<Rounding> Rounding { get; }

    /// <summary>The attributes of a kind of layer.</summary>
    /// <param name="get">The window of a layer.</param>
    /// <param name="stride">The default of the stride; the kernel where this is null.</param>
    /// <param name="pools">Whether the layer pools: only then may sizes be rounded up.</param>
    public static WindowAttributes Of<TLayer>(Func<TLayer, Window> get, Extent? stride, bool pools)
        where TLayer : Layer => new(
        AttributeDeclaration.Size<TLayer>("kernelSize", layer => get(layer).Kernel, 1, Limits.Window,
            role: AttributeRole.Kernel, formerName: "kernel"),
        AttributeDeclaration.Size<TLayer>("stride", layer => get(layer).Stride, 1, Limits.Window, stride,
            stride is null ? "the kernel" : null, AttributeRole.Stride),
        AttributeDeclaration.Pads<TLayer>("padding", layer => get(layer).Padding, Limits.Window),
        AttributeDeclaration.Choice<TLayer, Rounding>("rounding", layer => get(layer).Rounding,
            pools ? s_roundings : s_roundings[..2], UsualRounding, formerFlag: ("roundDown", ConvNet.Rounding.Floor)));
}
