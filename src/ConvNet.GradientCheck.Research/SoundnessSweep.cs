namespace ConvNet.GradientChecking.Research;

/// <summary>The result of one mode for one backend in one case of a sweep.</summary>
/// <param name="Mode"><see cref="CheckModes.Exact"/> or <see cref="CheckModes.Real"/>.</param>
/// <param name="Elements">The number of elements compared.</param>
/// <param name="Failed">The number of elements reported as wrong.</param>
/// <param name="Suspects">The number of elements that exceed their probable bound and are right by exact mode.</param>
/// <param name="Worst">The largest error as a multiple of its bound; infinity if no error is allowed.</param>
/// <param name="Tensor">The tensor with that error.</param>
public sealed record SweepFinding(CheckModes Mode, long Elements, long Failed, long Suspects, double Worst,
    string Tensor);

/// <summary>The result for one backend in one case of a sweep.</summary>
/// <param name="Verdict">The verdict of the check. For a correct backend, anything but a pass is a false alarm.</param>
/// <param name="Findings">The results of the modes.</param>
public sealed record SweepOutcome(Verdict Verdict, IReadOnlyList<SweepFinding> Findings)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(SweepOutcome), (nameof(Verdict), Verdict),
        (nameof(Findings), Findings));
}

/// <summary>One case of a sweep.</summary>
/// <param name="Seed">The seed of the case. A sweep of one case from this seed reproduces it.</param>
/// <param name="Layer">The layer with its shapes.</param>
/// <param name="Kind">The kind of the layer.</param>
/// <param name="Values">The distribution of its real numbers.</param>
/// <param name="Terms">n, the number of terms in its longest sum, not counting zeros of the padding.</param>
/// <param name="Outcomes">The results, one per backend, in the order of the backends.</param>
public sealed record SweepCase(ulong Seed, string Layer, string Kind, RealValues Values, int Terms,
    IReadOnlyList<SweepOutcome> Outcomes)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(SweepCase), (nameof(Seed), Seed),
        (nameof(Layer), Layer), (nameof(Kind), Kind), (nameof(Values), Values), (nameof(Terms), Terms),
        (nameof(Outcomes), Outcomes));
}

/// <summary>Checks random layers on backends that are assumed to be correct. Any backend that is reported wrong is a
/// false alarm or reveals a bug.</summary>
public static class SoundnessSweep
{
    // Twice the 5% that must have long sums, because in some layers drawn as long most taps lie on padding.
    private const double LongShare = 0.1;

    /// <summary>Checks the case of a seed, on integers and on real numbers.</summary>
    /// <param name="seed">The seed of the case.</param>
    /// <param name="backends">The backends. All of them get the same values.</param>
    /// <param name="cancellation">Cancels the check between two runs of the layer.</param>
    public static SweepCase Check(ulong seed, IReadOnlyList<IBackend> backends,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(backends);
        LayerGradientCase drawn = RandomCases.Layer(seed, LongShare);
        var values = (RealValues)(seed % (ulong)Enum.GetValues<RealValues>().Length);
        LayerGradientCase given =
            drawn with
            {
                Options = drawn.Options with
                {
                    Modes = CheckModes.Exact | CheckModes.Real,
                    Values = values,
                    Cancellation = cancellation,
                },
            };
        GradientReport report = given.Run(backends);
        // The reports of a mode are in the order of the backends. Names do not identify them, because two backends may
        // have the same name.
        LayerReport[][] modes = [.. report.Layers.GroupBy(layer => layer.Mode).Select(mode => mode.ToArray())];
        return new SweepCase(seed, $"{given}", given.Layer.Kind, values,
            report.Layers.Max(layer => layer.Tensors.Max(tensor => tensor.Terms)),
            [.. backends.Select((_, i) => Outcome([.. modes.Select(mode => mode[i])]))]);
    }

    private static SweepOutcome Outcome(LayerReport[] reports)
        => new(new GradientReport(reports, []).Verdict, [.. reports.Select(Finding)]);

    private static SweepFinding Finding(LayerReport report)
    {
        TensorReport worst = report.Tensors.MaxBy(tensor => tensor.WorstInBounds)!;
        return new SweepFinding(report.Mode, report.Tensors.Sum(t => (long)t.Elements),
            report.Tensors.Sum(t => (long)t.Failed),
            report.Tensors.Sum(t => (long)t.Suspects), worst.WorstInBounds, worst.Name);
    }
}
