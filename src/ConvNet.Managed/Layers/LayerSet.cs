namespace ConvNet;

/// <summary>Kinds of layers by name: those that a reader of files knows.</summary>
/// <remarks>A set never changes; <see cref="With"/> gives another. Readers take <see cref="BuiltIn"/> unless
/// told.</remarks>
public sealed class LayerSet : DeclarationSet<LayerDeclaration, Layer>
{
    private LayerSet(IReadOnlyList<LayerDeclaration> declarations)
        : base("layer", declarations)
    {
    }

    /// <summary>Every layer of this library.</summary>
    public static LayerSet BuiltIn { get; } = new(
    [
        Conv2d.Declared,
        Linear.Declared,
        MaxPool2d.Declared,
        AvgPool2d.Declared,
        GlobalAvgPool2d.Declared,
        BatchNorm2d.Declared,
        Relu.Declared,
        Gelu.Declared,
        Flatten.Declared,
        Dropout.Declared,
        Add.Declared,
        Concat.Declared,
        ConvTranspose2d.Declared,
    ]);

    /// <summary>This set and some more kinds.</summary>
    /// <param name="declarations">The layers' declarations.</param>
    /// <exception cref="ArgumentException">A kind is in the set already.</exception>
    public LayerSet With(params IEnumerable<LayerDeclaration> declarations) => new([.. Declarations, .. declarations]);
}
