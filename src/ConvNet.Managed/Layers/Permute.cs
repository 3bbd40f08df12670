namespace ConvNet;

/// <summary>The order of the dimensions of a sample: channels (C), rows (H) and columns (W).</summary>
public enum AxisOrder
{
    /// <summary>Channels, rows, columns.</summary>
    Chw,

    /// <summary>Channels, columns, rows: every map is transposed.</summary>
    Cwh,

    /// <summary>Rows, channels, columns.</summary>
    Hcw,

    /// <summary>Rows, columns, channels.</summary>
    Hwc,

    /// <summary>Columns, channels, rows.</summary>
    Wch,

    /// <summary>Columns, rows, channels.</summary>
    Whc,
}

/// <summary>Reorders the dimensions of a sample: with <see cref="AxisOrder.Hwc"/>, y[n,h,w,c] = x[n,c,h,w].</summary>
/// <remarks>x: N×C×H×W; the channels, rows and columns of y are the dimensions of x that the order lists. Backward: the
/// inverse. Both passes only copy values. This is <c>permute</c> in torch and Transpose in ONNX.</remarks>
public sealed record Permute : Rearrangement
{
    private static readonly AttributeDeclaration<AxisOrder> s_order
        = AttributeDeclaration.Choice<Permute, AxisOrder>("order", layer => layer.Order,
            [("chw", AxisOrder.Chw), ("cwh", AxisOrder.Cwh), ("hcw", AxisOrder.Hcw), ("hwc", AxisOrder.Hwc),
                ("wch", AxisOrder.Wch), ("whc", AxisOrder.Whc)], AxisOrder.Hwc);

    /// <summary>The declaration of this kind of layer: its name in files, attributes and test cases.</summary>
    public static LayerDeclaration Declared { get; } = new("permute", "reorders channels, rows and columns", [s_order],
        values => new Permute(values.Get(s_order)))
    {
        Examples =
        [
            new("permute to rows, columns, channels", new Permute(AxisOrder.Hwc), 2, new Shape(17, 3, 4)),
            new("permute to columns, channels, rows", new Permute(AxisOrder.Wch), 2, new Shape(5, 3, 4)),
            new("permute transposes maps", new Permute(AxisOrder.Cwh), 1, new Shape(18, 5, 2)),
        ],
    };

    /// <summary>Describes a permutation.</summary>
    /// <param name="order">The dimensions of the input that are the channels, rows and columns of the output.</param>
    /// <exception cref="ArgumentOutOfRangeException">The order is not defined.</exception>
    public Permute(AxisOrder order = AxisOrder.Hwc)
    {
        Order = s_order.Check(Kind, order);
    }

    /// <inheritdoc/>
    public override LayerDeclaration Declaration => Declared;

    /// <summary>The dimensions of the input that are the channels, rows and columns of the output.</summary>
    public AxisOrder Order { get; }

    /// <inheritdoc/>
    public override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        Reordering dimensions = Dimensions(Single(inputs));
        int[] sizes = [.. dimensions.Order.Select(d => dimensions.Sizes[d])];
        return new Shape(sizes[0], sizes[1], sizes[2]);
    }

    /// <inheritdoc/>
    public override bool IsView => Order == AxisOrder.Chw;

    /// <inheritdoc/>
    public override string Explain(params ReadOnlySpan<Shape> inputs) => Declared.Attributes[0].TextOf(this);

    internal override Reordering Dimensions(Shape x) => new([x.C, x.H, x.W], Order switch
    {
        AxisOrder.Chw => [0, 1, 2],
        AxisOrder.Cwh => [0, 2, 1],
        AxisOrder.Hcw => [1, 0, 2],
        AxisOrder.Hwc => [1, 2, 0],
        AxisOrder.Wch => [2, 0, 1],
        _ => [2, 1, 0],
    });
}
