namespace ConvNet.GradientChecking;

/// <summary>Returns layers with one smaller attribute, as given by their declarations.</summary>
internal static class LayerShrinks
{
    /// <summary>Returns layers with a smaller value of the attributes of a role.</summary>
    public static IEnumerable<Layer> Of(Layer layer, AttributeRole role)
        => from attribute in layer.Declaration?.Attributes ?? []
           where attribute.Role == role
           from value in attribute.Smaller(layer)
           let smaller = layer.Declaration!.With(layer, (attribute, value))
           where smaller is not null
           select smaller;

    /// <summary>Returns layers with smaller kernels: with padding reduced so that the output keeps its size, and with
    /// the same padding.</summary>
    public static IEnumerable<Layer> Kernel(Layer layer)
    {
        if (layer.Declaration is not { } declared || declared.Of(AttributeRole.Kernel) is not { } kernel)
            return [];
        if (declared.Of(AttributeRole.Padding) is not { } padding)
            return Of(layer, AttributeRole.Kernel);
        Extent taps = (Extent)kernel.ValueOf(layer);
        var before = (Padding)padding.ValueOf(layer);
        Extent dilation = declared.Of(AttributeRole.Dilation)?.ValueOf(layer) is Extent value ? value : 1;
        return from fewer in kernel.Smaller(layer).Cast<Extent>()
               from less in new[] { KeepingSize(before, taps, fewer, dilation), before }.Distinct()
               let smaller = declared.With(layer, (kernel, fewer), (padding, less))
               where smaller is not null
               select smaller;
    }

    /// <summary>Returns the number of groups of a layer; 1 if it has none.</summary>
    public static int GroupsOf(Layer layer)
        => layer.Declaration?.Of(AttributeRole.Groups)?.ValueOf(layer) is int groups ? groups : 1;

    /// <summary>Returns the same layer with another number of groups and the same number of output channels per
    /// group.</summary>
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

    private static Padding KeepingSize(Padding padding, Extent taps, Extent fewer, Extent dilation)
    {
        static (int, int) Less(int before, int behind, int reach)
            => reach % 2 == 0 && reach / 2 <= Math.Min(before, behind) ? (before - reach / 2, behind - reach / 2)
                : (before, behind);
        (int top, int bottom) = Less(padding.Top, padding.Bottom, (taps.H - fewer.H) * dilation.H);
        (int left, int right) = Less(padding.Left, padding.Right, (taps.W - fewer.W) * dilation.W);
        return (top, left, bottom, right);
    }
}
