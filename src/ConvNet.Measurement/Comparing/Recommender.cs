using System.Globalization;

namespace ConvNet.Measurement;

/// <summary>Judges the reliability of a comparison and recommends a backend.</summary>
/// <remarks>
/// The recommendation is the fastest backend in training among those with correct gradients. A row counts as equally
/// fast if it takes less than three times as long and its interval includes 1, or if it has only one or two rounds,
/// whose intervals are meaningless. Among rows within 3% of the fastest by a known interval, the one with the fewest
/// threads wins. A row that takes at least three times as long is slower, however wide its interval.
/// On a busy machine no recommendation is certain: other processes may slow one backend more than another in every
/// round, which no interval shows. A change of the clock frequency affects all backends alike, so the FMA peak may vary
/// more if the system reports the load of other processes.
/// </remarks>
internal static class Recommender
{
    // The share of all processors that other processes may use before ratios become unreliable.
    private const double LargestShareOfOthers = 0.05;

    private const double ClearlySlower = 3, MinSteadinessAlone = 0.8;

    // With two rounds, the Student interval extends twelve standard deviations to each side.
    internal const int MinRoundsForInterval = 3;

    /// <summary>Judges whether the machine was idle enough.</summary>
    /// <param name="rows">The results.</param>
    /// <param name="machine">The load of other processes.</param>
    public static Noise Judge(IReadOnlyList<CompareRow> rows, MachineMeter machine)
    {
        ArgumentNullException.ThrowIfNull(machine);
        double? others = machine.OtherProcessors;
        double steadiness = machine.Steadiness;
        if (others > LargestShareOfOthers * Environment.ProcessorCount)
            return new Noise(NoiseVerdict.Busy, others, steadiness, Text($"Other processes kept {others:0.0} of ")
                + Text($"{Environment.ProcessorCount} processors busy: on an idle machine the ratios may differ."));
        if (steadiness < (others is null ? BenchResult.MinSteadiness : MinSteadinessAlone))
            return new Noise(NoiseVerdict.Busy, others, steadiness, "The median FMA peak was only "
                + Text($"{100 * steadiness:0}% of the best: the processor was slowed down, and on an idle machine the ")
                + "ratios may differ.");
        CompareRow[] open = [.. Right(rows).Where(row => IsAsFast(row) && !(row.Training!.Ratio.Width < Goal))];
        return open.Length == 0
            ? new Noise(NoiseVerdict.Quiet, others, steadiness,
                "The machine was idle: every row is slower than the fastest by more than its error, takes at "
                    + Text($"least {ClearlySlower:0} times as long, or is known to be within {100 * Goal:0}% of it."))
            : new Noise(NoiseVerdict.Imprecise, others, steadiness, "The time limit was reached "
                + Text($"before {string.Join(" and ", open.Select(Name))} could be distinguished from the fastest."));
    }

    /// <summary>Returns the recommendation.</summary>
    /// <param name="rows">The results.</param>
    /// <param name="noise">The reliability of the results.</param>
    public static Recommendation Of(IReadOnlyList<CompareRow> rows, Noise noise)
    {
        ArgumentNullException.ThrowIfNull(noise);
        CompareRow[] right = [.. Right(rows).OrderBy(row => row.Training!.Ratio.Value)];
        if (right.Length == 0)
            return Nothing(rows);
        CompareRow[] close = [.. right.Where(IsAsFast)];
        CompareRow taken = close.Where(row => row.Training!.Ratio is { Low: not null, Value: <= 1 + Goal })
            .Append(right[0]).MinBy(row => row.Threads)!;
        Confidence confidence = noise.Verdict == NoiseVerdict.Busy ? Confidence.CannotTell : close.Length > 1
            ? Confidence.Close : Confidence.Clear;
        string reason = string.Join("; ", Reasons(rows, right, close, taken));
        string sentence = confidence == Confidence.CannotTell
            ? $"This run is inconclusive: {Lower(noise.Explanation)[..^1]}; here, {Name(taken)} was the best choice: "
                + $"{reason}."
            : $"Use {Name(taken)}: {reason}.";
        return new Recommendation(taken.Backend, taken.Threads, confidence, reason, sentence);
    }

    private const double Goal = PairedRounds<CompareEntry>.Goal;

    private static IEnumerable<CompareRow> Right(IReadOnlyList<CompareRow> rows)
        => rows.Where(row => row.Training is not null && row.Gradients.Verdict != GradientVerdict.Wrong);

    private static bool IsAsFast(CompareRow row) => row.Training!.Ratio.Value < ClearlySlower
        && (row.Training is not { Rounds: >= MinRoundsForInterval, Ratio.Low: { } low } || low <= 1);

    private static Recommendation Nothing(IReadOnlyList<CompareRow> rows)
    {
        string[] wrong = [.. rows.Where(row => row.Training is not null).Select(row => row.Backend).Distinct()];
        string reason = wrong.Length > 0
            ? $"the gradients of {string.Join(", ", wrong)} are wrong"
            : "no training step fits the time limit";
        return new Recommendation(null, null, Confidence.CannotTell, reason,
            $"There is nothing to recommend: {reason}.");
    }

    private static IEnumerable<string> Reasons(IReadOnlyList<CompareRow> rows, CompareRow[] right, CompareRow[] close,
        CompareRow taken)
    {
        yield return Text($"{taken.Training!.ImagesPerSecond.Value:#,0} images/s in training");
        if (close.Length > 1)
            yield return $"{string.Join(" and ", close.Where(row => row != taken).Select(Name))} "
                + "cannot be distinguished from it"
                + (right[0].Threads > taken.Threads ? ", and it needs fewer threads" : "");
        CompareRow? rival = Array.Find(right, row => Family(row) != Family(taken) && !close.Contains(row));
        if (rival is not null)
            yield return $"{Times(rival.Training!)} times as fast as {Name(rival)}";
        CompareRow? fewer = Array.Find(right, row => row.Backend == taken.Backend && row.Threads < taken.Threads);
        if (fewer is not null)
            yield return $"{Times(fewer.Training!)} times as fast as on {CompareText.Threads(fewer.Threads)}";
        yield return taken.Gradients.Verdict switch
        {
            GradientVerdict.Right => "its gradients are right",
            _ => "its gradients were not checked",
        };
        foreach (var wrong in rows.Where(row => row.Gradients.Verdict == GradientVerdict.Wrong)
            .DistinctBy(row => row.Backend))
            yield return $"{wrong.Backend} computes wrong gradients ({wrong.Gradients.Detail})";
    }

    private static string Times(Speed speed) => speed is
    {
        Rounds: >= MinRoundsForInterval, Ratio:
        {
            Low: { } low,
            High: { } high
        } ratio
    }
        ? Text($"{ratio.Value:0.00} ({low:0.00} to {high:0.00})")
        : Text($"{speed.Ratio.Value:0.0}");

    private static string Family(CompareRow row) => row.Backend.Split(':')[0];

    private static string Name(CompareRow row) => $"{row.Backend} on {CompareText.Threads(row.Threads)}";

    private static string Lower(string sentence) => char.ToLowerInvariant(sentence[0]) + sentence[1..];

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
