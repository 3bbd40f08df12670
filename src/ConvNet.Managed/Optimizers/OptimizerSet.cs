namespace ConvNet;

/// <summary>A set of kinds of optimisers by name, which a file reader or a command supports.</summary>
/// <remarks>A set is immutable; <see cref="With"/> returns a new one. Readers use <see cref="BuiltIn"/> by
/// default.</remarks>
public sealed class OptimizerSet : DeclarationSet<OptimizerDeclaration, Optimizer>
{
    private OptimizerSet(IReadOnlyList<OptimizerDeclaration> declarations)
        : base("optimizer", declarations)
    {
    }

    /// <summary>The optimisers of this library.</summary>
    public static OptimizerSet BuiltIn { get; } = new([Sgd.Declared, Adam.Declared, AdamW.Declared,
        NAdam.Declared, RmsProp.Declared, Adagrad.Declared, Lion.Declared, Lamb.Declared, Lars.Declared,
        Muon.Declared]);

    /// <summary>Returns a set that contains this set and further kinds.</summary>
    /// <param name="declarations">The declarations of the optimisers.</param>
    /// <exception cref="ArgumentException">A kind is already in the set.</exception>
    public OptimizerSet With(params IEnumerable<OptimizerDeclaration> declarations)
        => new([.. Declarations, .. declarations]);
}
