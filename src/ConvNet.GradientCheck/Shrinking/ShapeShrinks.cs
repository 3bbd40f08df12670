namespace ConvNet.GradientChecking;

/// <summary>Returns cases with smaller inputs.</summary>
internal static class ShapeShrinks
{
    /// <summary>Returns cases with fewer channels in all inputs.</summary>
    public static IEnumerable<GradientCase> Channels(GradientCase made)
        => Sizes(made, shape => shape.C, (shape, c) => new Shape(Math.Min(c, shape.C), shape.H, shape.W));

    /// <summary>Returns cases with fewer rows.</summary>
    public static IEnumerable<GradientCase> Rows(GradientCase made)
        => Sizes(made, shape => shape.H, (shape, h) => new Shape(shape.C, Math.Min(h, shape.H), shape.W));

    /// <summary>Returns cases with fewer columns.</summary>
    public static IEnumerable<GradientCase> Columns(GradientCase made)
        => Sizes(made, shape => shape.W, (shape, w) => new Shape(shape.C, shape.H, Math.Min(w, shape.W)));

    /// <summary>Returns cases with fewer groups. A single layer keeps the number of channels per group. In a graph,
    /// where another layer determines the input channels, their number stays the same.</summary>
    public static IEnumerable<GradientCase> Groups(GradientCase made)
    {
        if (made is GraphGradientCase whole)
            return GraphShrinks.WithLayers(whole, FewerGroups);
        if (made is not LayerGradientCase alone)
            return [];
        int groups = LayerShrinks.GroupsOf(alone.Layer);
        Shape[] InGroups(int fewer) => [.. alone.Inputs.Select(x => new Shape(x.C / groups * fewer, x.H, x.W))];
        return AttributeDeclaration.Smaller(groups, 1)
            .Select(fewer => alone with
            {
                Layer = LayerShrinks.InGroups(alone.Layer, fewer),
                Inputs = InGroups(fewer)
            });
    }

    private static IEnumerable<Layer> FewerGroups(Layer layer)
        => AttributeDeclaration.Smaller(LayerShrinks.GroupsOf(layer), 1)
            .Select(groups => LayerShrinks.InGroups(layer, groups));

    /// <summary>Returns the case if its layer accepts its inputs.</summary>
    /// <exception cref="ArgumentException">The layer does not accept its inputs.</exception>
    public static LayerGradientCase Checked(LayerGradientCase made)
    {
        made.Layer.Infer([.. made.Inputs]);
        return made;
    }

    private static IEnumerable<GradientCase> Sizes(GradientCase made, Func<Shape, int> size,
        Func<Shape, int, Shape> with)
    {
        if (made is LossGradientCase)
            return [];
        Shape[] inputs = made is LayerGradientCase alone ? [.. alone.Inputs]
            : [.. ((GraphGradientCase)made).Graph.Inputs.Select(input => input.Shape)];
        int largest = inputs.Max(size);
        // The size of a window that has to fit exactly changes by multiples of the stride.
        return AttributeDeclaration.Smaller(largest, 1)
            .Concat(Enumerable.Range(2, LargestStride(made) - 1).Select(less => largest - less)
                .Where(value => value > 1))
            .Distinct()
            .Select(value => WithInputs(made, [.. inputs.Select(shape => with(shape, value))])).OfType<GradientCase>();
    }

    private static int LargestStride(GradientCase made) => made.Layers.Max(each => each.Layer.Sees(each.Inputs)
        is { Stride: var stride } ? Math.Max(stride.H, stride.W) : 1);

    private static GradientCase? WithInputs(GradientCase made, Shape[] inputs) => made is LayerGradientCase alone
        ? Shrinker.Valid(() => Checked(alone with { Inputs = inputs }))
        : GraphShrinks.WithInputs((GraphGradientCase)made, inputs);
}
