using ConvNet.Data;
using ConvNet.Interpretation;
using ConvNet.Summaries;

namespace ConvNet.Reports.Pages;

/// <summary>What a network computes from one image.</summary>
/// <param name="Model">The network.</param>
/// <param name="Image">The image.</param>
/// <param name="Shape">The shape C, H, W of the image.</param>
/// <param name="Pixels">The image, C×H×W values from 0 to 1.</param>
/// <param name="Maps">The maps of all operations, in their order.</param>
/// <param name="Filters">The convolutions with their filters.</param>
public sealed record NetworkView(string Model, string Image, Shape Shape, float[] Pixels,
    IReadOnlyList<MapsView> Maps, IReadOnlyList<Filters> Filters)
{
    /// <summary>The classes with the highest probabilities, in descending order; empty if the network has no
    /// classes.</summary>
    public IReadOnlyList<ClassProbability> Scores { get; init; } = [];

    /// <summary>The parts of the image on which the answer rests; null if the network has no classes.</summary>
    public Occlusion? Heat { get; init; }

    /// <summary>The image shifted by <see cref="Shift"/> pixels, C×H×W values from 0 to 1.</summary>
    public required float[] Shifted { get; init; }

    /// <summary>The number of rows and columns of the shift.</summary>
    public required int Shift { get; init; }

    /// <summary>A unit and its receptive field.</summary>
    public required UnitView Unit { get; init; }

    /// <summary>Runs a network over an image.</summary>
    /// <param name="network">An executable for batches of at least 4 with <see cref="Precision.Accurate"/>.</param>
    /// <param name="model">The name of the network.</param>
    /// <param name="sample">The image.</param>
    /// <param name="normalization">The normalisation of the network's images.</param>
    /// <param name="options">What is computed.</param>
    /// <param name="cancellation">Cancels the work between two passes.</param>
    /// <exception cref="ArgumentException">An option is out of range for this network.</exception>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    public static NetworkView Of(IExecutable network, string model, ShownSample sample, Normalization normalization,
        NetworkViewOptions options, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(sample);
        ArgumentNullException.ThrowIfNull(normalization);
        ArgumentNullException.ThrowIfNull(options);
        Shape shape = network.Graph.Input.Shape;
        if (options.Shift >= Math.Min(shape.H, shape.W))
            throw new ArgumentException($"A shift by {options.Shift} moves the whole image of {shape} away. Use a "
                + "smaller one.");
        float[] shifted = ShiftResponse.Shift(sample.Pixels, shape, options.Shift),
            x = Normalized(sample.Pixels, shape, normalization);
        IReadOnlyList<FeatureMaps> maps = FeatureMaps.Of(network, x),
            after = FeatureMaps.Of(network, Normalized(shifted, shape, normalization));
        (Node node, int row, int column) = UnitOf(options, maps);
        var layers = ModelSummary.Of(network.Graph).Layers.ToDictionary(layer => layer.Name);
        bool hasClasses = ClassScores.Has(network.Graph);
        return new NetworkView(model, sample.Name, shape, Shown(sample.Pixels, normalization),
            [.. maps.Zip(after, (own, other) => new MapsView(own, other, ShiftResponse.Difference(own, other,
                layers[own.Operation.Output.Name], (shape.H, shape.W), options.Shift)))],
            [.. Pages.Filters.Of(network)])
        {
            Shifted = Shown(shifted, normalization),
            Shift = options.Shift,
            Unit = new UnitView(node.Name, row, column, ReceptiveField.Of(network, node, row, column)),
            Heat = hasClasses ? Occlusion.Of(network, x, options.Class,
                new OcclusionOptions { Patch = options.Patch is { } patch ? patch : null }, cancellation) : null,
            Scores = hasClasses ? [.. ClassScores.Of(network, x).Index().OrderByDescending(each => each.Item)
                .Take(options.Top).Select(each => new ClassProbability(each.Index, sample.NameOf(each.Index),
                    each.Item))] : [],
        };
    }

    /// <summary>Returns an image as the network reads it.</summary>
    internal static float[] Normalized(ReadOnlySpan<float> pixels, Shape shape, Normalization normalization)
    {
        var values = new float[pixels.Length];
        normalization.Apply(shape, pixels, values, new RandomSequence(seed: 0, node: 0));
        return values;
    }

    /// <summary>Returns an image with values from 0 to 1.</summary>
    internal static float[] Shown(float[] pixels, Normalization normalization)
        => Array.ConvertAll(pixels, value => value / normalization.MaxValue);

    // A node inside an operation stands for the operation.
    private static (Node Node, int Y, int X) UnitOf(NetworkViewOptions options, IReadOnlyList<FeatureMaps> maps)
    {
        Node[] nodes = [.. maps.Select(each => each.Operation.Output)];
        if (options.Unit is not var (name, y, x))
        {
            Node last = nodes.LastOrDefault(of => of.Shape.Area > 1) ?? nodes[^1];
            return (last, last.Shape.H / 2, last.Shape.W / 2);
        }
        Node node = maps.FirstOrDefault(each => each.Operation.Nodes.Any(part => part.Name == name))?.Operation.Output
            ?? throw new ArgumentException($"The network computes no maps of \"{Excerpt.Of(name)}\"."
                + NearMisses.Question(name,
                    maps.SelectMany(each => each.Operation.Nodes).Select(part => part.Name)));
        return y >= 0 && y < node.Shape.H && x >= 0 && x < node.Shape.W ? (node, y, x)
            : throw new ArgumentException($"{node.Name} has no unit in row {y}, column {x}: its maps have "
                + $"{node.Shape.H}×{node.Shape.W} units, numbered from 0.");
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(NetworkView), (nameof(Model), Model),
        (nameof(Image), Image), (nameof(Shape), Shape), (nameof(Maps), Maps), (nameof(Filters), Filters),
        (nameof(Scores), Scores), (nameof(Heat), Heat), (nameof(Shift), Shift), (nameof(Unit), Unit));
}
