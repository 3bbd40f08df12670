using System.Numerics.Tensors;

namespace ConvNet.GradientChecking;

/// <summary>The reference of the nodes that are fused into an operation, on tensors of which only a sample may be
/// known.</summary>
internal static class TailReference
{
    private const double U = BoundedSum.UnitRoundoff;

    /// <summary>The roundings of a smooth activation or its derivative.</summary>
    public const int Roundings = 8;

    /// <summary>Applies a fused node.</summary>
    /// <param name="before">The node before it in the operation.</param>
    /// <param name="node">The node.</param>
    /// <param name="x">The output of the node before it.</param>
    /// <param name="n">The number of samples.</param>
    /// <param name="valueOf">Returns the values of a node outside the operation.</param>
    /// <exception cref="NotSupportedException">The layer is not known as a fused one.</exception>
    public static KnownTensor Forward(Node before, Node node, KnownTensor x, int n, Func<Node, float[]> valueOf)
        => node.Layer switch
        {
            Add => KnownTensor.SumOf([x, .. node.Inputs.Where(input => input != before)
                .Select(valueOf).Select(KnownTensor.Copied)]),
            FusableActivation activation => Activated(activation, x),
            InputActivation activation => ActivatedBySlope(activation, x),
            Pool2d pool => Pooled(pool, x, n, before.Shape),
            var layer => throw NotKnown(layer!),
        };

    /// <summary>The error for a layer that no operation is known to fuse.</summary>
    public static NotSupportedException NotKnown(Layer layer) => new(
        $"{layer.Kind} is fused into an operation, and the check of plans has no reference for that. Trace it as an "
        + "operation of its own.");

    /// <summary>Whether a pool selects values instead of computing others.</summary>
    public static bool Selects(Pool2d pool) => pool is MaxPool2d;

    /// <summary>Whether the fused nodes add no rounding of their own to whole numbers.</summary>
    public static bool TailIsExact(TracedOperation operation) => operation.Nodes.Skip(1).All(node => node.Layer
        is Add or MaxPool2d or FusableActivation { Accuracy: Accuracy.Moves }
            || (node.Layer is AvgPool2d { Window: { Padding.Most: 0, Rounding: not Rounding.Ceiling } window }
                && long.IsPow2(window.Kernel.Area)));

    /// <summary>Returns dy·f′(y).</summary>
    public static KnownTensor Derivative(FusableActivation activation, float[] y, float[] dy)
    {
        double[] dx = SlopeTimes(activation, Array.ConvertAll(y, v => (double)v), dy);
        if (activation.Accuracy == Accuracy.Moves)
            return KnownTensor.Exact(dx);
        double[] bounds = Array.ConvertAll(dx, v => Roundings * U * Math.Abs(v));
        return new(dx, bounds, bounds);
    }

    /// <summary>Returns dy·f′, not rounded.</summary>
    /// <param name="activation">The activation.</param>
    /// <param name="known">What its slope is a function of: its output, or its input if it reads that.</param>
    /// <param name="dy">The gradient of its output.</param>
    public static double[] SlopeTimes(Layer activation, double[] known, float[] dy)
    {
        Shape shape = Shape.Vector(known.Length);
        var memory = new NodeMemory<double>
        {
            Name = activation.Kind,
            Reads = activation.BackwardReads,
            XShapes = [shape],
            YShape = shape,
            X = [known],
            Y = known,
            W = [],
            DY = Array.ConvertAll(dy, v => (double)v),
            DX = [new double[known.Length]],
        };
        new Frame<double>(memory, 1, training: true, 0, backward: true).RunBackward(activation);
        return memory.DX[0].ToArray();
    }

    /// <summary>Returns the gradient of the input of a pool, not rounded, and how far each element may be off because
    /// another pixel of its window is as large within the tolerance; null if none is.</summary>
    public static (double[] DX, float[]? Doubt) PoolBackward(Node pool, int n, double[] x, float[] dy, double tolerance)
    {
        double[] wide = Array.ConvertAll(dy, v => (double)v);
        Shape shape = pool.InputShapes[0];
        double[] Run(double[] values) => new LayerRun<double>(new LayerValues<double>(pool.Layer!, [shape], n, [values],
            [], wide, pool.Index, 0, 0)).DX[0];
        double[] dx = Run(x);
        if (tolerance == 0 || pool.Layer is not MaxPool2d { Window: var window } max
            || !max.Kinks([x], shape).Any(kink => kink.Margin <= tolerance))
            return (dx, null);
        var doubt = new float[dx.Length];
        // Two pixels of a window differ in a bit of their row or column. Moving the pixels with that bit up, and then
        // down, by the tolerance puts them in either order.
        int rows = Bits(window.Kernel.H), columns = Bits(window.Kernel.W);
        for (int bit = 0; bit < rows + columns; bit++)
        {
            foreach (double step in (double[])[tolerance, -tolerance])
            {
                double[] moved = [.. x.Select((v, i) => Bit(i, bit) ? v + step : v)];
                double[] other = Run(moved);
                for (int i = 0; i < doubt.Length; i++)
                    doubt[i] = Math.Max(doubt[i], (float)Math.Abs(other[i] - dx[i]));
            }
        }
        return (dx, doubt);

        bool Bit(int i, int bit) => bit < rows ? (i % shape.Area / shape.W >> bit & 1) == 1
            : (i % shape.W >> (bit - rows) & 1) == 1;
    }

    /// <summary>Returns the weights and the bias of a convolution into which a batch normalisation is folded.</summary>
    public static (double[] Weights, double[] Bias) Folded(LayerValues<float> conv, Node norm,
        Func<Parameter, float[]> parameter)
    {
        float[]? Of(ParameterRole role)
            => norm.Parameters.SingleOrDefault(p => p.Role == role) is { } found ? parameter(found) : null;
        float[]? scale = Of(ParameterRole.Scale), shift = Of(ParameterRole.Bias);
        float[] mean = Of(ParameterRole.RunningMean)!, variance = Of(ParameterRole.RunningVariance)!;
        double epsilon = ((BatchNorm2d)norm.Layer!).Epsilon;
        double[] weights = new double[conv.W[0].Length], bias = new double[conv.YShape.C];
        int perFilter = weights.Length / bias.Length;
        for (int k = 0; k < bias.Length; k++)
        {
            double factor = (scale?[k] ?? 1) / Math.Sqrt(variance[k] + epsilon);
            bias[k] = ((conv.W.Length > 1 ? conv.W[1][k] : 0.0) - mean[k]) * factor + (shift?[k] ?? 0);
            for (int i = k * perFilter; i < (k + 1) * perFilter; i++)
                weights[i] = conv.W[0][i] * factor;
        }
        return (weights, bias);
    }

    /// <summary>Returns how far the gradients of a batch normalisation may be off because each element of dy may
    /// be.</summary>
    /// <remarks>
    /// With x̂ = (x − μ)·s, s = 1/√(σ² + ε) and M values per channel: Δdβ = Σ Δdy, Δdγ = Σ Δdy·|x̂|, and
    /// Δdx = |γ|s·(Δdy + Δdβ/M + |x̂|·Δdγ/M).
    /// </remarks>
    public static (double[] DX, double[][] DW) Doubt(LayerValues<float> norm, double[] dy)
    {
        Shape shape = norm.YShape;
        double epsilon = ((BatchNorm2d)norm.Layer).Epsilon;
        float[]? scale = norm.Specs.Index().Where(spec => spec.Item.Role == ParameterRole.Scale)
            .Select(spec => norm.W[spec.Index]).SingleOrDefault();
        double[] dx = new double[dy.Length], ofScale = new double[shape.C], ofShift = new double[shape.C];
        for (int c = 0; c < shape.C; c++)
        {
            int[] at = [.. Enumerable.Range(0, norm.N)
                .SelectMany(n => Enumerable.Range((n * shape.C + c) * shape.Area, shape.Area))];
            double mean = at.Average(i => (double)norm.X[0][i]);
            double s = 1 / Math.Sqrt(at.Average(i => (norm.X[0][i] - mean) * (norm.X[0][i] - mean)) + epsilon);
            double Normal(int i) => Math.Abs(norm.X[0][i] - mean) * s;
            (ofShift[c], ofScale[c]) = (at.Sum(i => dy[i]), at.Sum(i => dy[i] * Normal(i)));
            foreach (int i in at)
                dx[i] = Math.Abs(scale?[c] ?? 1) * s
                    * (dy[i] + (ofShift[c] + Normal(i) * ofScale[c]) / at.Length);
        }
        return (dx, [.. norm.Specs.Select(spec => spec.Role == ParameterRole.Scale ? ofScale : ofShift)]);
    }

    private static int Bits(int count) => 32 - int.LeadingZeroCount(Math.Max(1, count - 1));

    // The activation never decreases, so its values at the ends of the interval bound its error.
    private static KnownTensor Activated(FusableActivation activation, KnownTensor x)
    {
        double[] Of(double[] values) => new LayerRun<double>(new LayerValues<double>(activation,
            [Shape.Vector(values.Length)], 1, [values], [], [], 0, 0, 0), backward: false).Y;
        double[] y = Of(x.Values);
        if (x.IsExact && activation.Accuracy == Accuracy.Moves)
            return KnownTensor.Exact(y);
        double roundings = activation.Accuracy == Accuracy.Moves ? 1 : Roundings;
        double[] Errors(double[]? errors)
        {
            errors ??= new double[y.Length];
            double[] low = new double[y.Length], high = new double[y.Length], result = new double[y.Length];
            TensorPrimitives.Subtract(x.Values, errors, low);
            TensorPrimitives.Add(x.Values, errors, high);
            (low, high) = (Of(low), Of(high));
            for (int i = 0; i < y.Length; i++)
                result[i] = Math.Max(high[i] - y[i], y[i] - low[i]) + roundings * U * Math.Abs(y[i]);
            return result;
        }
        return new(y, Errors(x.Bounds), Errors(x.Ceilings));
    }

    // The slope of no fused activation exceeds 3/2, and |f(x)| does not exceed |x|.
    private static KnownTensor ActivatedBySlope(InputActivation activation, KnownTensor x)
    {
        const double MostSlope = 1.5;
        double[] y = new LayerRun<double>(new LayerValues<double>(activation, [Shape.Vector(x.Values.Length)], 1,
            [x.Values], [], [], 0, 0, 0), backward: false).Y;
        double[] Errors(double[]? errors)
            => [.. x.Values.Select((value, i) => MostSlope * (errors?[i] ?? 0) + Roundings * U * Math.Abs(value))];
        return new(y, Errors(x.Bounds), Errors(x.Ceilings));
    }

    // The largest error within a window bounds that of its maximum, the mean of the errors that of its mean.
    private static KnownTensor Pooled(Pool2d pool, KnownTensor x, int n, Shape shape)
    {
        double[] Of(double[] values) => new LayerRun<double>(new LayerValues<double>(pool, [shape], n, [values], [], [],
            0, 0, 0), backward: false).Y;
        double[] y = Of(x.Values);
        if (x.IsExact)
            return KnownTensor.Exact(y);
        double[] magnitudes = pool is MaxPool2d ? new double[y.Length] : Of(Array.ConvertAll(x.Values, Math.Abs));
        double[] Errors(double[] errors)
        {
            double[] result = Of(errors);
            for (int i = 0; i < result.Length; i++)
                result[i] += (pool.Window.Kernel.Area + 1) * U * magnitudes[i];
            return result;
        }
        return new(y, Errors(x.Bounds!), Errors(x.Ceilings!));
    }
}
