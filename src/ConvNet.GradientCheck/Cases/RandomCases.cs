namespace ConvNet.GradientChecking;

/// <summary>Random layers, graphs and losses to check. They are small and use awkward sizes. Each depends only on its
/// seed and the available layers.</summary>
/// <remarks>
/// Sizes are 1, odd, prime, or one more or less than a vector length. Rows and columns differ. Windows have strides
/// larger than the kernel, padding, dilation, groups, and output sizes that are rounded down. A case takes
/// milliseconds: a layer has at most about 500,000 multiply-adds, a few times as many with wide padding, and a few
/// million if a long sum is requested. The cases are generated from the declarations of the layers. In one of eight,
/// the integers are −1, 0 and 1, so that maxima tie.
/// </remarks>
public static class RandomCases
{
    /// <summary>A sum with more terms than this is long.</summary>
    internal const int LongSum = RandomDraw.LongSum;

    /// <summary>Returns a random layer with random input shapes.</summary>
    /// <param name="seed">The seed of the case and of the values used to check it.</param>
    /// <param name="longShare">The fraction of seeds that give a layer with a sum of more than
    /// <see cref="RandomDraw.LongSum"/> terms.</param>
    /// <param name="layers">The kinds of layers; those of this library if null.</param>
    public static LayerGradientCase Layer(ulong seed, double longShare = 0, LayerSet? layers = null)
    {
        var draw = new RandomDraw(seed);
        IReadOnlyList<LayerDeclaration> kinds = (layers ?? LayerSet.BuiltIn).Declarations;
        LayerExample made = draw.Of<Func<RandomDraw, LayerExample>>(draw.Chance(longShare)
            ? [.. kinds.SelectMany(kind => kind.LongSums)]
            : [.. kinds.SelectMany(kind => kind.Random)])(draw);
        return new LayerGradientCase(made.Layer, made.Inputs, new GradientCheckOptions
        {
            BatchSize = made.BatchSize,
            Seed = seed,
            LargestInteger = LargestInteger(draw),
        });
    }

    /// <summary>Returns a random loss: of few classes or of more than a byte can number, half of them with attributes
    /// other than the defaults, often with integers that lie at a hinge.</summary>
    /// <param name="seed">The seed of the case and of the values used to check it.</param>
    public static LossGradientCase Loss(ulong seed)
    {
        var draw = new RandomDraw(seed);
        IReadOnlyList<Declaration<Loss>> kinds = ConvNet.Loss.BuiltIn.Declarations;
        Declaration<Loss> kind = kinds[draw.Below(kinds.Count)];
        Loss loss = (draw.OneIn(2) ? null : Shrinker.Valid(() => kind.Make(new AttributeValues(kind.Attributes
            .Select(attribute => KeyValuePair.Create(attribute, attribute.Draw(draw)))))))
            ?? kind.Make(new AttributeValues([]));
        int classes = draw.Of(2, 3, 10, 17, 257, 300);
        return new LossGradientCase(loss.ForClasses(classes), classes, new GradientCheckOptions
        {
            BatchSize = draw.Of(1, 2, 3, 8, 16, 32),
            Seed = seed,
            LargestInteger = LargestInteger(draw),
        });
    }

    /// <summary>Returns a random graph: a chain with branches, residual sums, values read several times, often a
    /// classifier at its end, and sometimes a second input and several outputs.</summary>
    /// <param name="seed">The seed of the case and of the values used to check it.</param>
    public static GraphGradientCase Graph(ulong seed) => Graph(seed, LayerSet.BuiltIn);

    /// <summary>Returns a random graph that may contain custom layers.</summary>
    /// <param name="seed">The seed of the case and of the values used to check it.</param>
    /// <param name="layers">The kinds of layers.</param>
    /// <exception cref="ArgumentNullException"><paramref name="layers"/> is null.</exception>
    public static GraphGradientCase Graph(ulong seed, LayerSet layers)
    {
        ArgumentNullException.ThrowIfNull(layers);
        var draw = new RandomDraw(seed);
        int n = draw.Of(1, 2, 2, 3, 4);
        return new GraphGradientCase(new RandomGraph(draw, n, layers.Declarations).Build(),
            new GradientCheckOptions { BatchSize = n, Seed = seed });
    }

    private static int LargestInteger(RandomDraw draw)
        => draw.OneIn(8) ? 1 : new GradientCheckOptions().LargestInteger;
}
