namespace ConvNet;

/// <summary>A kind of optimiser: its name in files and commands, its attributes, and what a training usually
/// takes.</summary>
public sealed class OptimizerDeclaration : Declaration<Optimizer>
{
    /// <summary>Declares a kind of optimiser.</summary>
    /// <param name="kind">Its name.</param>
    /// <param name="summary">What it is, in a few words.</param>
    /// <param name="attributes">All its attributes.</param>
    /// <param name="make">Makes one of given values of the attributes.</param>
    /// <exception cref="ArgumentException">
    /// The kind is empty, or an attribute has a name that is not unique or that files use themselves.
    /// </exception>
    public OptimizerDeclaration(string kind, string summary, IReadOnlyList<AttributeDeclaration> attributes,
        Func<AttributeValues, Optimizer> make)
        : base(kind, summary, attributes, make, "optimizer", "groups")
    {
    }

    /// <summary>A usual learning rate.</summary>
    public float LearningRate { get; init; } = 0.001f;

    /// <summary>The optimiser with the options that a training usually has; those of its constructor unless
    /// given.</summary>
    public Optimizer Usual
    {
        get => field ?? Make(new AttributeValues([]));
        init;
    }

    /// <summary>The weight decay that every optimiser has.</summary>
    /// <param name="otherwise">The default.</param>
    public static AttributeDeclaration<float> WeightDecay<TOptimizer>(float otherwise = 0)
        where TOptimizer : Optimizer
        => AttributeDeclaration.Number<TOptimizer>("weightDecay", optimizer => optimizer.WeightDecay,
            NumberInterval.FromZero, otherwise, "Weight decay");
}
