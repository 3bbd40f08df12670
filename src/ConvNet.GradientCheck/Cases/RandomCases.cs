namespace ConvNet.GradientChecking;

/// <summary>Random layers and graphs to check: small and awkward, each a function of its seed and the layers
/// alone.</summary>
/// <remarks>
/// Sizes are 1, odd, prime, or one more or less than a vector; rows and columns differ; windows have strides beyond the
/// kernel, padding, dilation, groups and outputs that are rounded down. A case takes milliseconds: a layer has some
/// 500,000 multiply-adds at most, a few times that where the padding is wide, and a few million where a long sum is
/// asked for. The layers' declarations make the cases.
/// </remarks>
public static class RandomCases
{
    /// <summary>A sum of more terms than this is a long one.</summary>
    public const int LongSum = RandomDraw.LongSum;

    /// <summary>A layer at shapes of its own.</summary>
    /// <param name="seed">The seed of the case, and of the values that it is checked with.</param>
    /// <param name="longShare">Of all seeds, the share that gets a layer with a sum of more than <see cref="LongSum"/>
    /// terms.</param>
    /// <param name="layers">The kinds of layers; those of this library unless given.</param>
    public static LayerGradientCase Layer(ulong seed, double longShare = 0, LayerSet? layers = null)
    {
        var draw = new RandomDraw(seed);
        IReadOnlyList<LayerDeclaration> kinds = (layers ?? LayerSet.BuiltIn).Declarations;
        LayerExample made = draw.Of<Func<RandomDraw, LayerExample>>(draw.Chance(longShare)
            ? [.. kinds.SelectMany(kind => kind.LongSums)]
            : [.. kinds.SelectMany(kind => kind.Random)])(draw);
        return new LayerGradientCase(made.Layer, made.Inputs,
            new GradientCheckOptions { BatchSize = made.BatchSize, Seed = seed });
    }

    /// <summary>A graph: a chain with branches, residual sums, values read several times, often a classifier at its
    /// end, and sometimes a second input and several outputs.</summary>
    /// <param name="seed">The seed of the case, and of the values that it is checked with.</param>
    public static GraphGradientCase Graph(ulong seed) => Graph(seed, LayerSet.BuiltIn);

    /// <summary>A graph that may have layers of the user's own.</summary>
    /// <param name="seed">The seed of the case, and of the values that it is checked with.</param>
    /// <param name="layers">The kinds of layers.</param>
    public static GraphGradientCase Graph(ulong seed, LayerSet layers)
    {
        ArgumentNullException.ThrowIfNull(layers);
        var draw = new RandomDraw(seed);
        int n = draw.Of(1, 2, 2, 3, 4);
        return new GraphGradientCase(new RandomGraph(draw, n, layers.Declarations).Build(),
            new GradientCheckOptions { BatchSize = n, Seed = seed });
    }
}
