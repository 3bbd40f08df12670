namespace ConvNet.GradientChecking;

/// <summary>The network on which an optimiser is checked by itself.</summary>
internal static class OptimizerNetwork
{
    // Weights in every layout that a backend may store: an odd number of channels, whole blocks of them, groups, a
    // transposed convolution, a channel-wise scale, a matrix.
    private static Graph Build() => Sequential.Of(new Shape(3, 6, 5),
        new Conv2d(32, 3, padding: 1), new BatchNorm2d(momentum: 0.25f), new Relu(),
        new Conv2d(32, 3, padding: 1), new Conv2d(32, 3, groups: 2), new ConvTranspose2d(32, 3, groups: 32),
        new Conv2d(8, 1, groups: 4), new Conv2d(5, 1), new Flatten(), new Linear(7), new Linear(3));

    /// <summary>Checks an optimiser on every backend.</summary>
    /// <param name="optimizer">The optimiser.</param>
    /// <param name="backends">The backends.</param>
    /// <param name="options">The batch size and the seed.</param>
    public static IEnumerable<LayerReport> Check(Optimizer optimizer, IReadOnlyList<IBackend> backends,
        GradientCheckOptions options)
    {
        Graph graph = Build();
        var spec = new TrainingSpec(options.BatchSize, new MeanSquaredError(), WithGroups(optimizer, graph))
        {
            Seed = options.Seed,
        };
        return new OptimizerCheck(graph, spec, options.Cancellation).Check(backends);
    }

    // The optimiser's own groups come first. Of the parameters that they leave, the biases do not decay and move at
    // half the rate, the scales have a rate and a decay of their own, and so has one weight; another is frozen. The
    // remaining weights have the options of the optimiser.
    private static Optimizer WithGroups(Optimizer optimizer, Graph graph)
    {
        Parameter[] free = [.. graph.Parameters.Where(p => p.Trainable && optimizer.GroupOf(p) is null)];
        string[] Names(ParameterRole role) => [.. free.Where(p => p.Role == role).Select(p => p.Name)];
        ParameterGroup[] further =
        [
            .. Groups(Names(ParameterRole.Bias), names => new(names) { LearningRateFactor = 0.5f, WeightDecay = 0 }),
            .. Groups(Names(ParameterRole.Scale), names => new(names) { LearningRateFactor = 2, WeightDecay = 0.125f }),
            .. Groups([.. Names(ParameterRole.Weight).Skip(1).Take(1)], names => new(names) { Frozen = true }),
            .. Groups([.. Names(ParameterRole.Weight).Skip(2).Take(1)], names => new(names) { WeightDecay = 0.5f }),
        ];
        return optimizer with { Groups = [.. optimizer.Groups, .. further] };
    }

    private static IEnumerable<ParameterGroup> Groups(string[] names, Func<string[], ParameterGroup> make)
        => names.Length == 0 ? [] : [make(names)];
}
