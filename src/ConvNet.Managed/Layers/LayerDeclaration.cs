namespace ConvNet;

/// <summary>A layer with input shapes, used as a test case and in listings.</summary>
/// <param name="Name">The name of the case in reports.</param>
/// <param name="Layer">The layer.</param>
/// <param name="BatchSize">The number of samples.</param>
/// <param name="Inputs">The shapes of the inputs.</param>
public sealed record LayerExample(string Name, Layer Layer, int BatchSize, params IReadOnlyList<Shape> Inputs)
{
    /// <summary>Whether float32 rounds for every input, so that exact mode must skip the layer.</summary>
    public bool Rounds { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>The description of a kind of layer apart from its computation: its name, its attributes and its test
/// cases.</summary>
/// <remarks>
/// Every built-in layer has a declaration. A custom layer with a declaration is saved, loaded, checked, shrunk and
/// listed like a built-in one. <see cref="LayerSet.With"/> makes it known to the readers.
/// </remarks>
public sealed class LayerDeclaration : Declaration<Layer>
{
    /// <summary>Declares a kind of layer.</summary>
    /// <param name="kind">The name in files, and the prefix of its node names.</param>
    /// <param name="summary">A short description of what it computes.</param>
    /// <param name="attributes">All attributes.</param>
    /// <param name="make">Creates a layer from attribute values.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">
    /// The kind is empty, or the name of an attribute is not unique or is reserved for nodes in files.
    /// </exception>
    public LayerDeclaration(string kind, string summary, IReadOnlyList<AttributeDeclaration> attributes,
        Func<AttributeValues, Layer> make)
        : base(kind, summary, attributes, make, "name", "layer", "inputs")
    {
        Random = [FromAttributes];
        Fitting = (draw, _, x) => Fits(FromAttributesAlone(draw), x);
    }

    /// <summary>The minimum number of inputs.</summary>
    public int Inputs { get; init; } = 1;

    /// <summary>Small edge cases, at least one. All backends are checked on them, and the canary tests use
    /// them.</summary>
    public IReadOnlyList<LayerExample> Examples { get; init; } = [];

    /// <summary>
    /// Generators of random cases. A generator that is listed several times is used more often. By default, attributes
    /// are drawn from their ranges.
    /// </summary>
    public IReadOnlyList<Func<RandomDraw, LayerExample>> Random { get; init; }

    /// <summary>Generators of random cases with a sum of more than <see cref="RandomDraw.LongSum"/> terms.</summary>
    public IReadOnlyList<Func<RandomDraw, LayerExample>> LongSums { get; init; } = [];

    /// <summary>
    /// Draws a layer for a random graph, given the batch size and the shape of the input; null if no layer fits. By
    /// default, attributes are drawn from their ranges.
    /// </summary>
    public Func<RandomDraw, int, Shape, Layer?> Fitting { get; init; }

    /// <summary>Returns the attribute with a given role; null if there is none.</summary>
    internal AttributeDeclaration? Of(AttributeRole role)
        => Attributes.FirstOrDefault(attribute => attribute.Role == role);

    /// <summary>Returns the layer with some attributes changed; null if it does not accept the new values.</summary>
    internal Layer? With(Layer layer, params IEnumerable<(AttributeDeclaration Attribute, object Value)> changes)
        => Valid(ValuesOf(layer).With(changes));

    // Draws random attributes and inputs that fit them. Returns the first example if no draw succeeds.
    private LayerExample FromAttributes(RandomDraw draw)
    {
        const int Trials = 100;
        for (int i = 0; i < Trials; i++)
        {
            Shape x = draw.Shape();
            if (Fits(FromAttributesAlone(draw), x) is { } layer)
                return new LayerExample(Kind, layer, draw.Batch(), [.. Enumerable.Repeat(x, Inputs)]);
        }
        return Examples.Count > 0
            ? Examples[0]
            : throw new InvalidOperationException(
                $"None of {Trials} random {Kind} layers accepted its input, and there is no example. Declare one.");
    }

    private Layer? FromAttributesAlone(RandomDraw draw)
        => Valid(new AttributeValues(Attributes.Select(each => KeyValuePair.Create(each, each.Draw(draw)))));

    private Layer? Fits(Layer? layer, Shape x)
    {
        try
        {
            layer?.Infer([.. Enumerable.Repeat(x, Inputs)]);
            return layer;
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private Layer? Valid(AttributeValues values)
    {
        try
        {
            return Make(values);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }
}
