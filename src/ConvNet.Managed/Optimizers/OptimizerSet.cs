namespace ConvNet;

/// <summary>Kinds of optimisers by name: those that a reader of files or a command knows.</summary>
/// <remarks>A set never changes; <see cref="With"/> gives another. Readers take <see cref="BuiltIn"/> unless
/// told.</remarks>
public sealed class OptimizerSet : DeclarationSet<OptimizerDeclaration, Optimizer>
{
    private OptimizerSet(IReadOnlyList<OptimizerDeclaration> declarations)
        : base("optimizer", declarations)
    {
    }

    /// <summary>Every optimiser of this library.</summary>
    public static OptimizerSet BuiltIn { get; } = new([Sgd.Declared, Adam.Declared, AdamW.Declared, Lars.Declared]);

    /// <summary>This set and some more kinds.</summary>
    /// <param name="declarations">The optimisers' declarations.</param>
    /// <exception cref="ArgumentException">A kind is in the set already.</exception>
    public OptimizerSet With(params IEnumerable<OptimizerDeclaration> declarations)
        => new([.. Declarations, .. declarations]);
}
