namespace ConvNet.GradientChecking;

/// <summary>Targets of a loss to check with. They depend only on a seed and their position.</summary>
internal static class DrawnTargets
{
    /// <summary>Returns targets of real numbers up to 1 in the range of the loss, or labels.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="output">The shape of one output.</param>
    /// <param name="n">The number of samples.</param>
    /// <param name="fill">Generates the values.</param>
    /// <param name="stream">The random stream.</param>
    public static KeptTargets Real(Loss loss, Shape output, int n, Fill fill, int stream)
        => Of(loss, output, n, fill, stream, length =>
        {
            (double limit, double centre) = loss.TargetRange switch
            {
                { Least: 0, Most: 1 } => (0.5, 0.5),
                { Most: 0 } => (1, -1),
                _ => (1.0, 0.0),
            };
            return fill.Uniform(stream, length, limit, centre);
        });

    /// <summary>Returns targets of integers in the range of the loss, or labels.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="output">The shape of one output.</param>
    /// <param name="n">The number of samples.</param>
    /// <param name="fill">Generates the values.</param>
    /// <param name="stream">The random stream.</param>
    /// <param name="range">The largest magnitude.</param>
    public static KeptTargets Whole(Loss loss, Shape output, int n, Fill fill, int stream, int range)
        => Of(loss, output, n, fill, stream, length =>
        {
            float[] values = fill.Integers(stream, length, range);
            return loss.TargetRange switch
            {
                { Least: 0, Most: 1 } => Array.ConvertAll(values, v => Math.Abs(v) % 2),
                { Most: 0 } => Array.ConvertAll(values, v => -Math.Abs(v)),
                _ => values,
            };
        });

    /// <summary>Returns the targets of every output that has a loss.</summary>
    /// <param name="objectives">The outputs.</param>
    /// <param name="draw">Returns the targets of an output, by its index.</param>
    public static KeptTargets OfAll(IReadOnlyList<Objective> objectives, Func<Objective, int, KeptTargets> draw)
        => KeptTargets.Of(Targets.Of([.. objectives.Select((of, i) => draw(of, i).Of(of.Output.Name))]));

    private static KeptTargets Of(Loss loss, Shape output, int n, Fill fill, int stream, Func<int, float[]> values)
    {
        int length = n * loss.TargetsPerSample(output);
        return loss.Takes == TargetKind.Values ? new KeptTargets(null, values(length))
            : new KeptTargets(fill.Labels(stream, length, output.C), null);
    }
}
