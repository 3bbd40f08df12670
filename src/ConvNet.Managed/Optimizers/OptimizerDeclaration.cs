namespace ConvNet;

/// <summary>Declares a kind of optimiser: its name in files and commands, its attributes, and the usual options for
/// training.</summary>
public sealed class OptimizerDeclaration : Declaration<Optimizer>
{
    /// <summary>Declares a kind of optimiser.</summary>
    /// <param name="kind">The name of the kind.</param>
    /// <param name="summary">A short description.</param>
    /// <param name="attributes">All attributes of the kind.</param>
    /// <param name="make">Creates an optimiser from given values of the attributes.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">
    /// The kind is empty, or the name of an attribute is not unique or is reserved for files.
    /// </exception>
    public OptimizerDeclaration(string kind, string summary, IReadOnlyList<AttributeDeclaration> attributes,
        Func<AttributeValues, Optimizer> make)
        : base(kind, summary, attributes, make, "optimizer", "groups", "lookahead")
    {
    }

    /// <summary>A usual learning rate.</summary>
    public float LearningRate { get; init; } = 0.001f;

    /// <summary>The optimiser with the usual options for training. The default is that of its constructor.</summary>
    public Optimizer Usual
    {
        get => field ?? Make(new AttributeValues([]));
        init;
    }

    /// <summary>Declares the weight decay, an attribute of every optimiser.</summary>
    /// <param name="otherwise">The default value.</param>
    public static AttributeDeclaration<float> WeightDecay<TOptimizer>(float otherwise = 0)
        where TOptimizer : Optimizer
        => AttributeDeclaration.Number<TOptimizer>("weightDecay", optimizer => optimizer.WeightDecay,
            NumberInterval.FromZero, otherwise, "Weight decay");
}
