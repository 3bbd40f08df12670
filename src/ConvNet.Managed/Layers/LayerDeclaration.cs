namespace ConvNet;

/// <summary>A layer on inputs of some shapes: what it is checked and shown with.</summary>
/// <param name="Name">What the case is called in reports.</param>
/// <param name="Layer">The layer.</param>
/// <param name="BatchSize">Samples.</param>
/// <param name="Inputs">The shapes of its inputs.</param>
public sealed record LayerExample(string Name, Layer Layer, int BatchSize, params IReadOnlyList<Shape> Inputs)
{
    /// <summary>Whether float32 rounds on every input, so that exact mode has to leave the layer out.</summary>
    public bool Rounds { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>What is known of a kind of layer besides how it computes: its name, its attributes, and its
/// cases.</summary>
/// <remarks>
/// Every built-in layer has one, and a layer of the user's own that has one is saved, loaded, checked, shrunk and
/// listed like them: <see cref="LayerSet.With"/> tells the readers of it.
/// </remarks>
public sealed class LayerDeclaration : Declaration<Layer>
{
    /// <summary>Declares a kind of layer.</summary>
    /// <param name="kind">Its name in files, and the stem of its nodes' names.</param>
    /// <param name="summary">What it computes, in a few words.</param>
    /// <param name="attributes">All its attributes.</param>
    /// <param name="make">Makes a layer of given values of the attributes.</param>
    /// <exception cref="ArgumentException">
    /// The kind is empty, or an attribute has a name that is not unique or that files use for nodes.
    /// </exception>
    public LayerDeclaration(string kind, string summary, IReadOnlyList<AttributeDeclaration> attributes,
        Func<AttributeValues, Layer> make)
        : base(kind, summary, attributes, make, "name", "layer", "inputs")
    {
        Random = [FromAttributes];
        Fitting = (draw, _, x) => Fits(FromAttributesAlone(draw), x);
    }

    /// <summary>The fewest inputs that it reads.</summary>
    public int Inputs { get; init; } = 1;

    /// <summary>Small and awkward cases, at least one, on which every backend is checked and canaries are let
    /// out.</summary>
    public IReadOnlyList<LayerExample> Examples { get; init; } = [];

    /// <summary>
    /// What makes random cases; one that stands here several times makes more of them. Draws the attributes from their
    /// ranges unless given.
    /// </summary>
    public IReadOnlyList<Func<RandomDraw, LayerExample>> Random { get; init; }

    /// <summary>What makes random cases with a sum of more than <see cref="RandomDraw.LongSum"/> terms.</summary>
    public IReadOnlyList<Func<RandomDraw, LayerExample>> LongSums { get; init; } = [];

    /// <summary>
    /// Draws a layer for batches of so many inputs of this shape in a random graph; null where none takes them. Draws
    /// the attributes from their ranges unless given.
    /// </summary>
    public Func<RandomDraw, int, Shape, Layer?> Fitting { get; init; }

    /// <summary>The attribute of a role; null where there is none.</summary>
    public AttributeDeclaration? Of(AttributeRole role)
        => Attributes.FirstOrDefault(attribute => attribute.Role == role);

    /// <summary>The layer with other values of some attributes; null where it refuses them.</summary>
    public Layer? With(Layer layer, params IEnumerable<(AttributeDeclaration Attribute, object Value)> changes)
        => Valid(ValuesOf(layer).With(changes));

    // A layer of random attributes on inputs that it takes; the first example where chance finds none.
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
                $"No random attributes of {Kind} took an input of {Trials}, and it has no example.");
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
