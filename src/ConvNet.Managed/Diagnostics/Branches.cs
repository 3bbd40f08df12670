namespace ConvNet.Diagnostics;

/// <summary>A value so close to a kink that float32 may take either side.</summary>
/// <param name="Layer">The node of the kink.</param>
/// <param name="Margin">How far the value is from it.</param>
internal readonly record struct NearBranch(string Layer, double Margin)
{
    /// <summary>What a report says of it.</summary>
    public override string ToString() => FormattableString.Invariant($"branch flip at margin {Margin:G3} in layer {Layer}");
}

/// <summary>Finds where backends may differ because of a kink, not because a gradient is wrong.</summary>
/// <remarks>
/// A kink is near where the double run's margin, to zero at a ReLU and between the two largest at a maximum, is no more than what
/// a backend may be off there: 8 times the distance of the float32 reference, or more where it says so, and one rounding.
/// </remarks>
internal static class Branches
{
    /// <summary>Every near kink of one forward pass.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="n">Samples.</param>
    /// <param name="images">The images.</param>
    /// <param name="parameters">Values by parameter index.</param>
    /// <param name="seed">The seed of random masks.</param>
    /// <param name="allowance">How many times as far off as the float32 reference a backend may be.</param>
    /// <param name="cancellation">Ends it between two layers.</param>
    public static IEnumerable<NearBranch> Near(Graph graph, int n, float[] images, float[][] parameters, ulong seed,
        double allowance = MeasuredBounds.Allowance,
        CancellationToken cancellation = default)
    {
        var exact = new double[graph.Nodes.Count][];
        var single = new float[graph.Nodes.Count][];
        (exact[0], single[0]) = (Array.ConvertAll(images, v => (double)v), images);
        foreach (Node node in graph.Nodes.Skip(1))
        {
            cancellation.ThrowIfCancellationRequested();
            float[][] w = [.. node.Parameters.Select(p => parameters[p.Index])];
            LayerValues<T> At<T>(T[][] values, T[][] own) => new(node.Layer!, node.InputShapes, n, [.. node.Inputs.Select(i => values[i.Index])], own, [], node.Index, 0, seed);
            int input = node.Inputs[0].Index;
            foreach (double margin in Margins(node, exact[input], AllowedError(allowance, exact[input], single[input])))
                yield return new NearBranch(node.Name, margin);
            exact[node.Index] = new LayerRun<double>(At(exact, Array.ConvertAll(w, v => Array.ConvertAll(v, x => (double)x))), backward: false).Y;
            single[node.Index] = new LayerRun<float>(At(single, w), backward: false).Y;
        }
    }

    // A margin of exactly zero follows from zeros before it, which every backend has: no rounding decides it.
    private static IEnumerable<double> Margins(Node node, double[] x, double error) => node.Layer switch
    {
        Relu => x.Select(Math.Abs).Where(margin => margin > 0 && margin <= error),
        MaxPool2d pool => LeadsOf(pool.Window, node, x).Where(lead => lead > 0 && lead <= 2 * error),
        _ => [],
    };

    // By how much the largest value of every window is ahead of the next.
    private static IEnumerable<double> LeadsOf(Window window, Node node, double[] x)
    {
        Shape xs = node.Inputs[0].Shape, ys = node.Shape;
        for (int map = 0; map < x.Length / xs.Area; map++)
        {
            for (int i = 0; i < ys.Area; i++)
            {
                Pooling.Patch patch = Pooling.Clip(window, xs, ys, i);
                double first = double.NegativeInfinity, second = double.NegativeInfinity;
                for (int h = patch.Top; h < patch.Bottom; h++)
                {
                    for (int w = patch.Left; w < patch.Right; w++)
                    {
                        double value = x[map * xs.Area + h * xs.W + w];
                        (first, second) = value > first ? (value, first) : (first, Math.Max(second, value));
                    }
                }
                yield return first - second;
            }
        }
    }

    private static double AllowedError(double allowance, double[] exact, float[] single)
    {
        double distance = 0, largest = 0;
        for (int i = 0; i < exact.Length; i++)
        {
            distance = Math.Max(distance, Math.Abs(exact[i] - single[i]));
            largest = Math.Max(largest, Math.Abs(exact[i]));
        }
        return distance == 0 ? 0 : allowance * distance + BoundedSum.UnitRoundoff * largest;
    }
}
