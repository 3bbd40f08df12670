namespace ConvNet;

/// <summary>The attributes of a layer that has a window.</summary>
internal sealed class WindowAttributes
{
    /// <summary>Whether an output size that is not whole is rounded down, unless said.</summary>
    public const bool UsualRounding = false;

    private WindowAttributes(AttributeDeclaration<Extent> kernel, AttributeDeclaration<Extent> stride,
        AttributeDeclaration<Extent> padding, AttributeDeclaration<bool> roundDown)
    {
        (Kernel, Stride, Padding, RoundDown) = (kernel, stride, padding, roundDown);
    }

    /// <summary>F.</summary>
    public AttributeDeclaration<Extent> Kernel { get; }

    /// <summary>S.</summary>
    public AttributeDeclaration<Extent> Stride { get; }

    /// <summary>P.</summary>
    public AttributeDeclaration<Extent> Padding { get; }

    /// <summary>Whether an output size that is not whole is rounded down.</summary>
    public AttributeDeclaration<bool> RoundDown { get; }

    /// <summary>The attributes of a kind of layer.</summary>
    /// <param name="get">The window of a layer.</param>
    /// <param name="stride">The default of the stride; the kernel where this is null.</param>
    public static WindowAttributes Of<TLayer>(Func<TLayer, Window> get, Extent? stride) where TLayer : Layer => new(
        AttributeDeclaration.Size<TLayer>("kernelSize", layer => get(layer).Kernel, 1, Limits.Window,
            role: AttributeRole.Kernel, formerName: "kernel"),
        AttributeDeclaration.Size<TLayer>("stride", layer => get(layer).Stride, 1, Limits.Window, stride,
            stride is null ? "the kernel" : null, AttributeRole.Stride),
        AttributeDeclaration.Size<TLayer>("padding", layer => get(layer).Padding, 0, Limits.Window, (Extent)0,
            role: AttributeRole.Padding),
        AttributeDeclaration.Flag<TLayer>("roundDown", layer => get(layer).RoundDown, UsualRounding));
}
