namespace ConvNet.GradientChecking;

/// <summary>The accepted deviations of third-party backends.</summary>
/// <remarks><see cref="GradientReport.Accepting"/> applies a baseline to a report. <see cref="BaselineFile"/> reads and
/// writes it as JSON.</remarks>
public sealed class Baseline
{
    /// <summary>Creates a baseline.</summary>
    /// <param name="deviations">The accepted deviations.</param>
    /// <exception cref="ArgumentNullException"><paramref name="deviations"/> is null.</exception>
    public Baseline(params IReadOnlyList<AcceptedDeviation> deviations)
    {
        ArgumentNullException.ThrowIfNull(deviations);
        Deviations = [.. deviations];
    }

    /// <summary>The accepted deviations.</summary>
    public IReadOnlyList<AcceptedDeviation> Deviations { get; }

    /// <summary>Returns a baseline that accepts every deviation of a report, except for those of the
    /// reference.</summary>
    /// <remarks>Entries that still accept a deviation are kept, and so are those whose comparisons are not part of the
    /// report. Other entries are removed. What is left gets one entry per tensor, with its present error and number of
    /// elements.</remarks>
    /// <param name="report">The report.</param>
    /// <param name="reason">The reason of new entries.</param>
    /// <param name="expires">The last day of new entries.</param>
    /// <param name="today">The current day; that of the clock, in UTC, if null.</param>
    /// <exception cref="ArgumentNullException"><paramref name="report"/> is null.</exception>
    public Baseline Updated(GradientReport report, string reason, DateOnly expires, DateOnly? today = null)
    {
        ArgumentNullException.ThrowIfNull(report);
        GradientReport judged = report.Accepting(this, today);
        HashSet<AcceptedDeviation> kept = [.. judged.Accepted.Select(row => row.Tensor.Acceptance!.Deviation),
            .. judged.Unneeded.Where(unneeded => !unneeded.Compared).Select(unneeded => unneeded.Deviation)];
        return new Baseline([.. Deviations.Where(kept.Contains),
            .. from row in judged.Failures
               where row.Layer.Backend != LayerReport.Reference
               orderby row.Layer.Backend, row.Layer.Layer, row.Layer.Mode, row.Tensor.Name
               select Entry(row.Layer, row.Tensor, reason, expires)]);
    }

    /// <summary>Judges the deviating tensors of a comparison.</summary>
    internal LayerReport Judge(LayerReport layer, DateOnly today) => layer with
    {
        Tensors = [.. layer.Tensors.Select(tensor => tensor with { Acceptance = Judge(layer, tensor, today) })],
    };

    /// <summary>Returns the entries that cover no deviation of judged comparisons.</summary>
    internal IEnumerable<UnneededDeviation> UnneededIn(IReadOnlyList<LayerReport> layers)
        => from deviation in Deviations
           let covered = layers.SelectMany(layer => layer.Tensors.Where(tensor => deviation.Covers(layer, tensor)))
               .ToList()
           where covered.TrueForAll(tensor => !tensor.Deviates)
           select new UnneededDeviation(deviation, covered.Count > 0);

    private Acceptance? Judge(LayerReport layer, TensorReport tensor, DateOnly today) => !tensor.Deviates ? null
        : Deviations.Where(deviation => deviation.Covers(layer, tensor))
            .Select(deviation => new Acceptance(deviation, deviation.Judge(tensor, today)))
            .MinBy(acceptance => acceptance.Outcome);

    // Where any error is infinite, the number of elements tells a worse deviation from the accepted one.
    private static AcceptedDeviation Entry(LayerReport layer, TensorReport tensor, string reason, DateOnly expires)
        => new(layer.Backend, reason, expires)
        {
            Layer = layer.Layer,
            Tensor = tensor.Name,
            Mode = layer.Mode,
            MostInBounds = RoundedUp(tensor.WorstInBounds),
            MostElements = double.IsFinite(tensor.WorstInBounds) ? int.MaxValue : tensor.Failed,
        };

    // To three digits: a file is read by people.
    private static double RoundedUp(double value)
    {
        if (!double.IsFinite(value) || value <= 0)
            return double.PositiveInfinity;
        double unit = Math.Pow(10, Math.Floor(Math.Log10(value)) - 2);
        double rounded = Math.Round(Math.Ceiling(value / unit) * unit, 12);
        return Math.Max(rounded, value);
    }
}
