namespace ConvNet;

/// <summary>The attributes of a layer that has a window.</summary>
internal sealed class WindowAttributes
{
    /// <summary>The default handling of a fractional output size.</summary>
    public const Rounding UsualRounding = ConvNet.Rounding.Exact;

    private static readonly (string Word, Rounding Value)[] s_roundings = [("exact", ConvNet.Rounding.Exact),
        ("floor", ConvNet.Rounding.Floor), ("ceiling", ConvNet.Rounding.Ceiling)];

    private WindowAttributes(AttributeDeclaration<Extent> kernel, AttributeDeclaration<Extent> stride,
        AttributeDeclaration<Padding> padding, AttributeDeclaration<Rounding> rounding)
    {
        (Kernel, Stride, Padding, Rounding) = (kernel, stride, padding, rounding);
    }

    /// <summary>F, the kernel size.</summary>
    public AttributeDeclaration<Extent> Kernel { get; }

    /// <summary>S, the stride.</summary>
    public AttributeDeclaration<Extent> Stride { get; }

    /// <summary>P, the padding.</summary>
    public AttributeDeclaration<Padding> Padding { get; }

    /// <summary>How a fractional output size is handled.</summary>
    public AttributeDeclaration<Rounding> Rounding { get; }

    /// <summary>Creates the attributes of a kind of layer.</summary>
    /// <param name="get">Returns the window of a layer.</param>
    /// <param name="stride">The default stride; null for the kernel size.</param>
    /// <param name="pools">Whether the layer is a pooling layer; only then may sizes be rounded up.</param>
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
