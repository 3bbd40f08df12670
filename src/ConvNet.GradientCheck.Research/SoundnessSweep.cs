namespace ConvNet.GradientChecking.Research;

/// <summary>What a mode said of one backend in one case of a sweep.</summary>
/// <param name="Mode"><see cref="CheckModes.Exact"/> or <see cref="CheckModes.Real"/>.</param>
/// <param name="Elements">Elements compared.</param>
/// <param name="Failed">Elements that were called wrong.</param>
/// <param name="Suspects">Elements that were called suspect.</param>
/// <param name="Worst">The largest error in units of its bound; infinite where no error is allowed.</param>
/// <param name="Tensor">The tensor of that error.</param>
public sealed record SweepFinding(CheckModes Mode, long Elements, long Failed, long Suspects, double Worst,
    string Tensor);

/// <summary>One backend in one case of a sweep.</summary>
/// <param name="Verdict">What the check says: on a backend that is right, anything but a pass is a false alarm.</param>
/// <param name="Findings">The modes.</param>
public sealed record SweepOutcome(Verdict Verdict, IReadOnlyList<SweepFinding> Findings)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(SweepOutcome), (nameof(Verdict), Verdict),
        (nameof(Findings), Findings));
}

/// <summary>One case of a sweep.</summary>
/// <param name="Seed">Its seed: a sweep of 1 from this seed is this case again.</param>
/// <param name="Layer">The layer with its shapes.</param>
/// <param name="Kind">The layer's kind.</param>
/// <param name="Values">How its real numbers are distributed.</param>
/// <param name="Terms">n, the terms of its longest sum, zeros of the padding not counted.</param>
/// <param name="Outcomes">One per backend, in their order.</param>
public sealed record SweepCase(ulong Seed, string Layer, string Kind, RealValues Values, int Terms,
    IReadOnlyList<SweepOutcome> Outcomes)
{
    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(SweepCase), (nameof(Seed), Seed),
        (nameof(Layer), Layer), (nameof(Kind), Kind), (nameof(Values), Values), (nameof(Terms), Terms),
        (nameof(Outcomes), Outcomes));
}

/// <summary>Random layers on backends that are taken to be right: whoever is called wrong is a false alarm, or a bug
/// found.</summary>
public static class SoundnessSweep
{
    // Twice the twentieth that must be long: of some layers that are drawn as long ones most taps lie on padding.
    private const double LongShare = 0.1;

    /// <summary>Checks the case of a seed, on whole numbers and on real ones.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="backends">The backends; they all get the same values.</param>
    /// <param name="cancellation">Ends the check between two runs of the layer.</param>
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
        // The reports of a mode are in the order of the backends, of which two may have one name.
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
