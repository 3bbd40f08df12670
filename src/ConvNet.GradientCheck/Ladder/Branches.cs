namespace ConvNet.GradientChecking;

/// <summary>A value so close to a kink that float32 may take either side.</summary>
/// <param name="Layer">The name of the node with the kink.</param>
/// <param name="Margin">The distance of the value from the kink.</param>
internal readonly record struct NearBranch(string Layer, double Margin)
{
    /// <summary>Returns the text for a report.</summary>
    public override string ToString()
        => FormattableString.Invariant($"branch flip at margin {Margin:G3} in layer {Layer}");
}

/// <summary>Finds values for which backends may differ because of a kink, without a wrong gradient.</summary>
/// <remarks>
/// The margin is the distance to zero at a ReLU, and the distance between the two largest values at a maximum. A kink
/// is near if its margin in the double run is at most the error allowed there plus one rounding. The allowed error is 8
/// times the distance of the float32 reference, or more for a backend that declares a less accurate algorithm.
/// </remarks>
internal static class Branches
{
    /// <summary>Finds all near kinks of one forward pass.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="n">The number of samples.</param>
    /// <param name="inputs">The values of the inputs, in the order of the graph's inputs.</param>
    /// <param name="parameters">The values of the parameters, by parameter index.</param>
    /// <param name="seed">The seed of random masks.</param>
    /// <param name="frozen">The frozen parameters, whose layers run as in inference; null for none.</param>
    /// <param name="allowance">The allowed error as a multiple of the error of the float32 reference.</param>
    /// <param name="cancellation">Cancels the search between two layers.</param>
    public static IEnumerable<NearBranch> Near(Graph graph, int n, float[][] inputs, float[][] parameters, ulong seed,
        FrozenParameters? frozen = null,
        double allowance = MeasuredBounds.Allowance,
        CancellationToken cancellation = default)
    {
        var exact = new double[graph.Nodes.Count][];
        var single = new float[graph.Nodes.Count][];
        foreach ((Node input, float[] values) in graph.Inputs.Zip(inputs))
            (exact[input.Index], single[input.Index]) = (Array.ConvertAll(values, v => (double)v), values);
        foreach (Node node in graph.LayerNodes)
        {
            cancellation.ThrowIfCancellationRequested();
            float[][] w = [.. node.Parameters.Select(p => parameters[p.Index])];
            LayerValues<T> At<T>(T[][] values, T[][] own) => new(node.Layer!, node.InputShapes, n,
                [.. node.Inputs.Select(i => values[i.Index])], own, [], node.Index, 0, seed)
            { Training = frozen?.Contains(node) != true };
            double error = node.Inputs.Max(input => AllowedError(allowance, exact[input.Index], single[input.Index]));
            // A margin of exactly zero results from zeros in earlier layers, which are the same on every backend.
            // Rounding does not affect it.
            foreach (Kink kink in node.Layer!.Kinks([.. node.Inputs.Select(input => exact[input.Index])],
                node.InputShapes))
            {
                if (kink.Margin > 0 && kink.Margin <= kink.Values * error)
                    yield return new NearBranch(node.Name, kink.Margin);
            }
            exact[node.Index] =
                new LayerRun<double>(At(exact, Array.ConvertAll(w, v => Array.ConvertAll(v, x => (double)x))),
                backward: false).Y;
            single[node.Index] = new LayerRun<float>(At(single, w), backward: false).Y;
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
        return AllowedError(allowance, distance, largest);
    }

    /// <summary>Returns the error that a backend may make in a tensor: a multiple of the error of the float32
    /// reference, and one rounding. Values that float32 computes exactly have none.</summary>
    /// <param name="allowance">The multiple.</param>
    /// <param name="error">The largest error of the float32 reference.</param>
    /// <param name="largest">The largest magnitude.</param>
    public static double AllowedError(double allowance, double error, double largest)
        => error == 0 ? 0 : allowance * error + BoundedSum.UnitRoundoff * largest;
}
