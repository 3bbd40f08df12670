namespace ConvNet.GradientChecking;

/// <summary>Layers with one attribute smaller, as their declarations say.</summary>
internal static class LayerShrinks
{
    /// <summary>Layers with a smaller attribute of a role.</summary>
    public static IEnumerable<Layer> Of(Layer layer, AttributeRole role)
        => from attribute in layer.Declaration?.Attributes ?? []
           where attribute.Role == role
           from value in attribute.Smaller(layer)
           let smaller = layer.Declaration!.With(layer, (attribute, value))
           where smaller is not null
           select smaller;

    /// <summary>Smaller kernels, with so much less padding that the output keeps its size, or with the same.</summary>
    public static IEnumerable<Layer> Kernel(Layer layer)
    {
        if (layer.Declaration is not { } declared || declared.Of(AttributeRole.Kernel) is not { } kernel)
            return [];
        if (declared.Of(AttributeRole.Padding) is not { } padding)
            return Of(layer, AttributeRole.Kernel);
        Extent taps = (Extent)kernel.ValueOf(layer), before = (Extent)padding.ValueOf(layer);
        Extent dilation = declared.Of(AttributeRole.Dilation)?.ValueOf(layer) is Extent value ? value : 1;
        return from fewer in kernel.Smaller(layer).Cast<Extent>()
               from less in new[] { KeepingSize(before, taps, fewer, dilation), before }.Distinct()
               let smaller = declared.With(layer, (kernel, fewer), (padding, less))
               where smaller is not null
               select smaller;
    }

    /// <summary>The groups of a layer; 1 where it has none.</summary>
    public static int GroupsOf(Layer layer)
        => layer.Declaration?.Of(AttributeRole.Groups)?.ValueOf(layer) is int groups ? groups : 1;

    /// <summary>The same layer in other groups of as many channels.</summary>
    public static Layer InGroups(Layer layer, int groups)
    {
        LayerDeclaration declared = layer.Declaration!;
        AttributeDeclaration ofGroups = declared.Of(AttributeRole.Groups)!;
        AttributeDeclaration? channels = declared.Of(AttributeRole.Channels);
        return (channels is null
            ? declared.With(layer, (ofGroups, groups))
            : declared.With(layer, (ofGroups, groups),
                (channels, (int)channels.ValueOf(layer) / GroupsOf(layer) * groups)))
            ?? layer;
    }

    private static Extent KeepingSize(Extent padding, Extent taps, Extent fewer, Extent dilation)
    {
        static int Less(int padding, int taps, int dilation)
            => taps * dilation / 2 is var less && less <= padding && taps * dilation % 2 == 0
                ? padding - less : padding;
        return (Less(padding.H, taps.H - fewer.H, dilation.H), Less(padding.W, taps.W - fewer.W, dilation.W));
    }
}
