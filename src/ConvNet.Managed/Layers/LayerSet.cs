using ConvNet.Serialization;

namespace ConvNet;

/// <summary>Kinds of layers by name: those that a reader of files knows.</summary>
/// <remarks>A set never changes; <see cref="With"/> gives another. Readers take <see cref="BuiltIn"/> unless
/// told.</remarks>
public sealed class LayerSet
{
    private readonly Dictionary<string, LayerDeclaration> _byKind = new(StringComparer.Ordinal);

    private LayerSet(IReadOnlyList<LayerDeclaration> declarations)
    {
        Declarations = declarations;
        foreach (LayerDeclaration declaration in declarations)
        {
            if (!_byKind.TryAdd(declaration.Kind, declaration))
            {
                throw new ArgumentException($"There are two layers of the kind \"{declaration.Kind}\"; "
                    + "kinds are unique in a set.", nameof(declarations));
            }
            if (declaration.FormerKind is { } former)
                _byKind.TryAdd(former, declaration);
        }
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

    /// <summary>The kinds, in the order in which they were added.</summary>
    public IReadOnlyList<LayerDeclaration> Declarations { get; }

    /// <summary>This set and some more kinds.</summary>
    /// <param name="declarations">The layers' declarations.</param>
    /// <exception cref="ArgumentException">A kind is in the set already.</exception>
    public LayerSet With(params IEnumerable<LayerDeclaration> declarations) => new([.. Declarations, .. declarations]);

    /// <summary>The names of all kinds, for errors.</summary>
    internal string Kinds => string.Join(", ", Declarations.Select(declaration => declaration.Kind));

    /// <summary>Reads the layer that an object describes.</summary>
    internal Layer Read(JsonReader json)
    {
        string kind = json.Text("layer") ?? throw json.Error("\"layer\" is missing.");
        return _byKind.TryGetValue(kind, out LayerDeclaration? declaration)
            ? declaration.Read(json)
            : throw json.Error($"layer \"{Excerpt.Of(kind)}\" is unknown; there are {Kinds}.");
    }
}
