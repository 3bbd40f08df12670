namespace ConvNet.Measurement;

/// <summary>Rounds in which contestants take turns, until the ratios of their times are known.</summary>
/// <remarks>
/// A ratio is that of two times of one round, so that what disturbs the machine for a while disturbs both; over the
/// rounds that both took part in it has a median with an interval (<see cref="Statistics.IntervalOfMedian"/>). Rounds
/// begin with another contestant each time, since a turn may feel what the one before it left behind. They end when
/// every interval is narrower than <see cref="Goal"/>, from the eighth round on, or when the time is over. Whoever is
/// known well enough sits out, but for the fastest, with which all are compared; and so does whoever has used its share
/// of the time, so that one slow contestant does not take it from all others. Looking at the intervals in order to stop
/// makes them hold the true ratio less often at some levels of noise: with one turn in twenty disturbed, 93 to 98 times
/// in a hundred, as a test counts.
/// </remarks>
/// <typeparam name="T">What takes turns.</typeparam>
internal sealed class PairedRounds<T>(IReadOnlyList<T> contestants, Func<T, bool> mayBeBest) where T : class
{
    /// <summary>The width of an interval that is narrow enough, relative to the ratio.</summary>
    public const double Goal = 0.03;

    private const int FewestRounds = 8, MostRounds = 400;

    // Of the time of all rounds, what one contestant may take where another needs it too.
    private const double Share = 0.25;

    private readonly Dictionary<T,
        SortedList<int, double>> _times = contestants.ToDictionary(of => of, _ => new SortedList<int, double>());

    /// <summary>The fastest of those that may be it, or of all where none may; null where none had a turn.</summary>
    public T? Best => (Measured.Any(mayBeBest) ? Measured.Where(mayBeBest) : Measured)
        .MinBy(of => Statistics.Median(_times[of].Values));

    /// <summary>What took part.</summary>
    public IEnumerable<T> Measured => contestants.Where(of => _times[of].Count > 0);

    /// <summary>The time of each of a contestant's turns, in milliseconds.</summary>
    public IList<double> TimesOf(T contestant) => _times[contestant].Values;

    /// <summary>A contestant's time over another's, in the rounds that both took part in; everybody does in the
    /// first.</summary>
    public Interval Ratio(T contestant, T other) => contestant == other ? new Interval(1, 1, 1)
        : Statistics.IntervalOfMedian(
        [.. _times[contestant].Where(turn => _times[other].ContainsKey(turn.Key))
            .Select(turn => turn.Value / _times[other][turn.Key])]);

    /// <summary>Takes turns.</summary>
    /// <param name="turn">Takes the turn of a contestant and tells its time in milliseconds.</param>
    /// <param name="afterRound">What is done after each round.</param>
    /// <param name="clock">Tells the time since some moment.</param>
    /// <param name="end">When the time is over; everybody has one turn all the same.</param>
    public void Run(Func<T, double> turn, Action afterRound, Func<TimeSpan> clock, TimeSpan end)
    {
        if (contestants.Count == 0)
            return;
        TimeSpan share = (end - clock()) * Math.Max(Share, 1.0 / contestants.Count);
        var spent = contestants.ToDictionary(of => of, _ => TimeSpan.Zero);
        var last = contestants.ToDictionary(of => of, _ => TimeSpan.Zero);
        for (int round = 0; round < MostRounds; round++)
        {
            T[] playing = [
                .. Rotated(round).Where(of => round == 0 || (!IsKnown(of) && spent[of] + last[of] <= share))];
            // The fastest by itself has nobody to be compared with, and needs rounds for its own interval only.
            if (playing.Length == 0 || (round >= FewestRounds && playing.All(of => of == Best)))
                return;
            foreach (T contestant in playing)
            {
                TimeSpan start = clock();
                if (round > 0 && start + last[contestant] > end)
                    continue;
                _times[contestant].Add(round, turn(contestant));
                last[contestant] = clock() - start;
                spent[contestant] += last[contestant];
            }
            afterRound();
            if (clock() >= end)
                return;
        }
    }

    private IEnumerable<T> Rotated(int round) => contestants.Skip(round % contestants.Count)
        .Concat(contestants.Take(round % contestants.Count));

    private bool IsKnown(T contestant) => Best is { } best && contestant != best && _times[contestant].Count
        >= FewestRounds && Ratio(contestant, best).Width < Goal;
}
