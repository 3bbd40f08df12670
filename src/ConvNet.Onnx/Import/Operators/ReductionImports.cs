using Onnx;

namespace ConvNet.Onnx;

/// <summary>The import of reductions: pooling over whole dimensions.</summary>
internal static class ReductionImports
{
    private const int FirstWithInput = 13, FirstWithInputOfAll = 18;

    /// <summary>ReduceMean: the mean of each map, or average pooling.</summary>
    public static void Mean(ImportContext c, OnnxNode node) => Reduce(c, node, FirstWithInputOfAll,
        (kernel, whole) => whole ? new GlobalAvgPool2d() : new AvgPool2d(kernel));

    /// <summary>ReduceSum: average pooling with a divisor of 1.</summary>
    public static void Sum(ImportContext c, OnnxNode node) => Reduce(c, node, FirstWithInput,
        (kernel, _) => new AvgPool2d(kernel, divisorOverride: 1));

    /// <summary>ReduceMax: the largest value of each map, or max pooling.</summary>
    public static void Max(ImportContext c, OnnxNode node) => Reduce(c, node, FirstWithInputOfAll,
        (kernel, whole) => whole ? new GlobalMaxPool2d() : new MaxPool2d(kernel));

    /// <summary>ReduceMin: minus the largest of the negated values.</summary>
    public static void Min(ImportContext c, OnnxNode node)
    {
        string negated = $"{node.Outputs[0]}.negated", largest = $"{node.Outputs[0]}.largest";
        ArithmeticImports.Neg(c, node with { Name = negated, Outputs = [negated], Inputs = [node.Inputs[0]] });
        Max(c, node with { Name = largest, Outputs = [largest], Inputs = [negated, .. node.Inputs.Skip(1)] });
        ArithmeticImports.Neg(c, node with { Inputs = [largest] });
    }

    /// <summary>ReduceL1: the sum of the magnitudes.</summary>
    public static void L1(ImportContext c, OnnxNode node)
    {
        OnnxNode magnitudes = Step(node, "magnitudes", node.Inputs[0]);
        ArithmeticImports.Abs(c, magnitudes);
        Sum(c, Reduction(node, magnitudes.Outputs[0]));
    }

    /// <summary>ReduceL2: the root of the sum of the squares, of which none is less than the smallest normal number.
    /// So the norm of zeros has the slope 0, as in PyTorch, where that of the root is infinite.</summary>
    public static void L2(ImportContext c, OnnxNode node)
    {
        const float Smallest = 1.17549435e-38f;
        OnnxNode sum = Step(node, "sum", [.. node.Inputs]), positive = Step(node, "positive", sum.Outputs[0]);
        SumSquare(c, sum);
        ActivationImports.AddClip(c, positive, Smallest, float.MaxValue);
        ActivationImports.Sqrt(c, node with { Inputs = positive.Outputs });
    }

    /// <summary>ReduceSumSquare: the sum of the squares.</summary>
    public static void SumSquare(ImportContext c, OnnxNode node)
    {
        OnnxNode squares = Step(node, "squares", node.Inputs[0], node.Inputs[0]);
        ArithmeticImports.Mul(c, squares);
        Sum(c, Reduction(node, squares.Outputs[0]));
    }

    /// <summary>ReduceLogSum: the logarithm of the sum.</summary>
    public static void LogSum(ImportContext c, OnnxNode node)
    {
        OnnxNode sum = Step(node, "sum", [.. node.Inputs]);
        Sum(c, Reduction(sum, node.Inputs[0]));
        ActivationImports.Plain<Log>(c, node with { Inputs = sum.Outputs });
    }

    /// <summary>ReduceLogSumExp: the logarithm of the sum of the exponentials, of which the largest is 1: the largest
    /// value is taken away before, and added behind.</summary>
    public static void LogSumExp(ImportContext c, OnnxNode node)
    {
        OnnxNode largest = Step(node, "largest", [.. node.Inputs]), kept = Step(node, "kept", [.. node.Inputs]);
        Max(c, largest);
        Max(c, kept with
        {
            Attributes = new Dictionary<string, AttributeProto>(node.Attributes)
            {
                ["keepdims"] = OnnxAttribute.Of("keepdims", 1),
            },
        });
        OnnxNode centred = Step(node, "centred", node.Inputs[0], kept.Outputs[0]),
            powers = Step(node, "powers", centred.Outputs[0]), sum = Step(node, "sum", [.. node.Inputs]),
            logarithm = Step(node, "logarithm", sum.Outputs[0]);
        ArithmeticImports.Sub(c, centred);
        ActivationImports.Plain<Exp>(c, powers);
        Sum(c, Reduction(sum, powers.Outputs[0]));
        ActivationImports.Plain<Log>(c, logarithm);
        ArithmeticImports.Add(c, node with { Inputs = [logarithm.Outputs[0], largest.Outputs[0]] });
    }

    // A node that computes a part of what a node computes.
    private static OnnxNode Step(OnnxNode node, string part, params string[] inputs)
    {
        string name = $"{node.Outputs[0]}.{part}";
        return node with { Name = name, Inputs = inputs, Outputs = [name] };
    }

    // A sum along the same dimensions. Its axes became an input in an earlier version than those of other reductions.
    private static OnnxNode Reduction(OnnxNode node, string values) => node with
    {
        Inputs = [values, .. node.Inputs.Skip(1)],
        Version = node.Version < FirstWithInputOfAll ? FirstWithInput - 1 : node.Version,
    };

    private static void Reduce(ImportContext c, OnnxNode node, int firstWithInput, Func<Extent, bool, Layer> layerOf)
    {
        Activation x = c.Input(node);
        long[]? axes = node.Version >= firstWithInput ? c.Optional(node, 1)?.ToWholes() : node.Wholes("axes");
        if (axes is not { Length: > 0 })
        {
            if (node.Whole("noop_with_empty_axes") != 0)
            {
                c.Set(node, x);
                return;
            }
            axes = c.Lead == 0 ? throw new UnsupportedNodeException("it reduces over the samples too")
                : [.. Enumerable.Range(0, x.Rank - 1).Select(axis => (long)axis)];
        }
        var reduced = axes.Select(axis => c.Dimension(x, axis)).ToHashSet();
        if (reduced.Contains(0))
            throw new UnsupportedNodeException("it reduces over the samples");
        bool keeps = node.Whole("keepdims", 1) != 0;
        // The dimensions of the map that are reduced.
        var stored = reduced.Select(dimension => x.Order[dimension]).ToHashSet();
        if (x.Rank <= 4 && !stored.Contains(1))
        {
            Node map = c.Stored(x);
            Extent kernel = (stored.Contains(2) ? map.Shape.H : 1, stored.Contains(3) ? map.Shape.W : 1);
            bool whole = kernel == (map.Shape.H, map.Shape.W);
            Node pooled = c.Add(node, layerOf(kernel, whole), map);
            Set(c, node, x.With(pooled, [.. x.Stored.Select((size, i) => stored.Contains(i) ? 1 : size)]), reduced,
                keeps);
            return;
        }
        ReduceMoved(c, node, x, reduced, keeps, layerOf);
    }

    // The dimensions that are reduced become the rows of maps.
    private static void ReduceMoved(ImportContext c, OnnxNode node, Activation x, HashSet<int> reduced, bool keeps,
        Func<Extent, bool, Layer> layerOf)
    {
        int[] kept = [.. Enumerable.Range(1, x.Rank - 1).Where(d => !reduced.Contains(d))],
            order = [0, .. kept, .. reduced.Order()];
        long[] sizes = x.Sizes;
        Activation moved = c.Plain(x.Transposed(order, $"{c.NameOf(node)}.moved"));
        long channels = Views.Product([.. kept.Select(d => sizes[d])]),
            rows = Views.Product([.. reduced.Select(d => sizes[d])]);
        Node map = c.Stored(Activation.Of(moved.Node, sizes[0], channels, rows));
        Node pooled = c.Add(node, layerOf((map.Shape.H, 1), true), map);
        Set(c, node, Activation.Of(pooled, [.. sizes.Select((size, d) => reduced.Contains(d) ? 1 : size)]), reduced,
            keeps);
    }

    private static void Set(ImportContext c, OnnxNode node, Activation value, HashSet<int> reduced, bool keeps)
        => c.Set(node, keeps ? value.Simplified() : ShapeImports.Without(value, reduced));
}
