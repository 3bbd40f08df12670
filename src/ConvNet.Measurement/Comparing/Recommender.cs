using System.Globalization;

namespace ConvNet.Measurement;

/// <summary>Says whether figures can be trusted, and what to take.</summary>
/// <remarks>
/// The fastest in training of those whose gradients are right. Whatever cannot be told from it (less than three times
/// its time, and an interval that reaches 1, or one or two rounds, whose interval tells next to nothing) may be as
/// fast; of those within 3% of it by a known interval the one with the fewest threads is taken. What takes three times
/// as long or more is slower, however wide the interval of its few rounds. On a busy machine nothing is sure: a core
/// that others use slows one backend more than another, in every round
/// alike, and no interval shows it. A processor that changes its speed slows all alike, so where the system tells who
/// computes, its peak may vary more.
/// </remarks>
public static class Recommender
{
    // Of all processors, what others may use before ratios mean little.
    private const double LargestShareOfOthers = 0.05;

    private const double SurelySlower = 3, LeastSteadinessAlone = 0.8;

    // Of two, Student's interval is twelve standard deviations wide to either side.
    internal const int LeastRoundsOfAnInterval = 3;

    /// <summary>Whether the machine was quiet enough.</summary>
    /// <param name="rows">What was measured.</param>
    /// <param name="machine">Who else computed.</param>
    public static Noise Judge(IReadOnlyList<CompareRow> rows, MachineMeter machine)
    {
        ArgumentNullException.ThrowIfNull(machine);
        double? others = machine.OtherProcessors;
        double steadiness = machine.Steadiness;
        if (others > LargestShareOfOthers * Environment.ProcessorCount)
            return new Noise(NoiseVerdict.Busy, others, steadiness, Text($"Others kept {others:0.0} of ")
                + Text($"{Environment.ProcessorCount} processors busy: on a quiet machine the ratios may be others."));
        if (steadiness < (others is null ? BenchResult.LeastSteadiness : LeastSteadinessAlone))
            return new Noise(NoiseVerdict.Busy, others, steadiness, "Half of the time the processor reached "
                + Text($"less than {100 * steadiness:0}% of its best: something slowed it, and on a quiet machine the ")
                + "ratios may be others.");
        CompareRow[] open = [.. Right(rows).Where(row => IsAsFast(row) && !(row.Training!.Ratio.Width < Goal))];
        return open.Length == 0
            ? new Noise(NoiseVerdict.Quiet, others, steadiness,
                "The machine was quiet: every row is slower than the fastest beyond its error or takes at least "
                    + Text($"{SurelySlower:0} times as long, or is known to be within {100 * Goal:0}% of it."))
            : new Noise(NoiseVerdict.Imprecise, others, steadiness, "The time was over before "
                + Text($"{string.Join(" and ", open.Select(Name))} could be told from the fastest."));
    }

    /// <summary>What to take.</summary>
    /// <param name="rows">What was measured.</param>
    /// <param name="noise">Whether it can be trusted.</param>
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
            ? $"This run cannot tell: {Lower(noise.Explanation)[..^1]}; {Name(taken)} was the one to take here: "
                + $"{reason}."
            : $"Take {Name(taken)}: {reason}.";
        return new Recommendation(taken.Backend, taken.Threads, confidence, reason, sentence);
    }

    private const double Goal = PairedRounds<CompareEntry>.Goal;

    private static IEnumerable<CompareRow> Right(IReadOnlyList<CompareRow> rows)
        => rows.Where(row => row.Training is not null && row.Gradients.Verdict != GradientVerdict.Wrong);

    private static bool IsAsFast(CompareRow row) => row.Training!.Ratio.Value < SurelySlower
        && (row.Training is not { Rounds: >= LeastRoundsOfAnInterval, Ratio.Low: { } low } || low <= 1);

    private static Recommendation Nothing(IReadOnlyList<CompareRow> rows)
    {
        string[] wrong = [.. rows.Where(row => row.Training is not null).Select(row => row.Backend).Distinct()];
        string reason = wrong.Length > 0
            ? $"the gradients of {string.Join(", ", wrong)} are wrong"
            : "no training step fitted the time limit";
        return new Recommendation(null, null, Confidence.CannotTell, reason,
            $"There is nothing to recommend: {reason}.");
    }

    private static IEnumerable<string> Reasons(IReadOnlyList<CompareRow> rows, CompareRow[] right, CompareRow[] close,
        CompareRow taken)
    {
        yield return Text($"{taken.Training!.ImagesPerSecond.Value:#,0} images/s in training");
        if (close.Length > 1)
            yield return $"{string.Join(" and ", close.Where(row => row != taken).Select(Name))} cannot be told from "
                + "it" + (right[0].Threads > taken.Threads ? ", and it needs fewer threads" : "");
        CompareRow? rival = Array.Find(right, row => Family(row) != Family(taken) && !close.Contains(row));
        if (rival is not null)
            yield return $"{Times(rival.Training!)} times as fast as {Name(rival)}";
        CompareRow? fewer = Array.Find(right, row => row.Backend == taken.Backend && row.Threads < taken.Threads);
        if (fewer is not null)
            yield return $"{Times(fewer.Training!)} times as fast as on {CompareText.Threads(fewer.Threads)}";
        yield return taken.Gradients.Verdict switch
        {
            GradientVerdict.Right => "its gradients are right",
            GradientVerdict.Suspect => $"its gradients are suspect ({taken.Gradients.Detail})",
            _ => "its gradients were not checked",
        };
        foreach (var wrong in rows.Where(row => row.Gradients.Verdict == GradientVerdict.Wrong)
            .DistinctBy(row => row.Backend))
            yield return $"{wrong.Backend} computes wrong gradients ({wrong.Gradients.Detail})";
    }

    private static string Times(Speed speed) => speed is
    {
        Rounds: >= LeastRoundsOfAnInterval, Ratio:
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
