namespace ConvNet.Onnx;

/// <summary>The window of a convolution or pooling node.</summary>
/// <param name="Window">The window.</param>
/// <param name="OutputPadding">Of a transposed convolution.</param>
internal readonly record struct Spatial(Window Window, Extent OutputPadding)
{
    /// <summary>Reads the attributes of a node.</summary>
    /// <param name="node">The node.</param>
    /// <param name="sizes">The sizes of its input, N×C×H×W or N×C×L.</param>
    /// <param name="kernel">The sizes of the kernel; null for those of the attribute.</param>
    /// <exception cref="UnsupportedNodeException">The input is not a map.</exception>
    public static Spatial Of(OnnxNode node, long[] sizes, long[]? kernel = null)
    {
        Axes axes = Axes.Of(node, sizes, kernel);
        string auto = node.Text("auto_pad", "NOTSET");
        (long[] before, long[] behind) = auto switch
        {
            "NOTSET" or "" => axes.Pads,
            "VALID" => ([0, 0], [0, 0]),
            "SAME_UPPER" or "SAME_LOWER" => Same(axes, auto == "SAME_UPPER"),
            _ => throw new InvalidDataException($"{node.Place}: auto_pad is \"{Excerpt.Of(auto)}\"."),
        };
        Window window = axes.Window(before, behind, node.Whole("ceil_mode") != 0 ? Rounding.Ceiling : Rounding.Exact);
        if (window.Rounding == Rounding.Exact && axes.Rows.Concat(axes.Strides).All(size => size > 0)
            && Enumerable.Range(0, 2).Any(i => (axes.Rows[i] + before[i] + behind[i] - axes.Reach(i))
                % axes.Strides[i] != 0))
            window = window with { Rounding = Rounding.Floor };
        return new Spatial(window, default);
    }

    /// <summary>Reads the attributes of a transposed convolution, whose output size may be given.</summary>
    public static Spatial Transposed(OnnxNode node, long[] sizes, long[] kernel)
    {
        Axes axes = Axes.Of(node, sizes, kernel);
        long[] more = axes.Two(node, "output_padding", 0);
        string auto = node.Text("auto_pad", "NOTSET");
        long[]? output = node.Wholes("output_shape") is { } given ? axes.Two(node, "output_shape", 1, given.Length
            > axes.Count ? given[^axes.Count..] : given)
            : auto is "SAME_UPPER" or "SAME_LOWER" ? [axes.Rows[0] * axes.Strides[0], axes.Rows[1] * axes.Strides[1]]
            : null;
        (long[] before, long[] behind) = auto == "VALID" && output is null ? ([0, 0], [0, 0]) : axes.Pads;
        for (int i = 0; output is not null && i < 2; i++)
        {
            long total = (axes.Rows[i] - 1) * axes.Strides[i] + more[i] + axes.Reach(i) - output[i];
            (more[i], total) = (more[i] + Math.Max(0, -total), Math.Max(0, total));
            before[i] = auto == "SAME_UPPER" ? total / 2 : total - total / 2;
            behind[i] = total - before[i];
        }
        return new Spatial(axes.Window(before, behind, Rounding.Exact), (Axes.Int(more[0]), Axes.Int(more[1])));
    }

    private static (long[] Before, long[] Behind) Same(Axes axes, bool upper)
    {
        long[] before = [0, 0], behind = [0, 0];
        for (int i = 0; i < 2; i++)
        {
            long stride = Math.Max(1, axes.Strides[i]), outputs = (axes.Rows[i] + stride - 1) / stride,
                total = Math.Max(0, (outputs - 1) * stride + axes.Reach(i) - axes.Rows[i]);
            before[i] = upper ? total / 2 : total - total / 2;
            behind[i] = total - before[i];
        }
        return (before, behind);
    }

    /// <summary>The attributes for rows and columns; a tensor N×C×L is a map of one column.</summary>
    private sealed record Axes(int Count, long[] Rows, long[] Kernel, long[] Strides, long[] Dilations,
        (long[] Before, long[] Behind) Pads)
    {
        public static Axes Of(OnnxNode node, long[] sizes, long[]? kernel)
        {
            int count = sizes.Length - 2;
            if (count is < 1 or > 2)
                throw new UnsupportedNodeException($"it works on a tensor of {sizes.Length} dimensions; maps have 4");
            kernel ??= node.Wholes("kernel_shape") ?? throw new InvalidDataException($"{node.Place} has no "
                + "kernel_shape.");
            if (node.Wholes("kernel_shape") is { } stated && !stated.SequenceEqual(kernel))
                throw new InvalidDataException($"{node.Place}: kernel_shape is {string.Join('×', stated)}, but the "
                    + $"kernel is {string.Join('×', kernel)}.");
            var axes = new Axes(count, [.. sizes[2..], .. Ones(2 - count)], [], [], [], default);
            long[] pads = node.Wholes("pads") ?? new long[2 * count];
            if (pads.Length != 2 * count)
                throw new InvalidDataException($"{node.Place} has {pads.Length} pads for {count} dimensions.");
            return axes with
            {
                Kernel = axes.Two(node, "kernel_shape", 1, kernel),
                Strides = axes.Two(node, "strides", 1),
                Dilations = axes.Two(node, "dilations", 1),
                Pads = (axes.Two(node, "pads", 0, pads[..count]), axes.Two(node, "pads", 0, pads[count..])),
            };
        }

        public long Reach(int i) => (Kernel[i] - 1) * Dilations[i] + 1;

        public Window Window(long[] before, long[] behind, Rounding rounding) => new((Int(Kernel[0]), Int(Kernel[1])),
            (Int(Strides[0]), Int(Strides[1])), (Int(before[0]), Int(before[1]), Int(behind[0]), Int(behind[1])),
            (Int(Dilations[0]), Int(Dilations[1])), rounding);

        public long[] Two(OnnxNode node, string name, long otherwise, long[]? values = null)
        {
            values ??= node.Wholes(name);
            if (values is null)
                return [otherwise, otherwise];
            return values.Length == Count ? [.. values, .. Enumerable.Repeat(otherwise, 2 - Count)]
                : throw new InvalidDataException($"{node.Place}: {name} has {values.Length} values for {Count} "
                    + "dimensions.");
        }

        public static int Int(long value) => value is >= int.MinValue and <= int.MaxValue ? (int)value
            : throw new InvalidDataException($"{value} is too large for a window.");

        private static IEnumerable<long> Ones(int count) => Enumerable.Repeat(1L, count);
    }
}
