namespace ConvNet.Measurement;

/// <summary>Runs rounds in which contestants take turns until the ratios of their times are known precisely.</summary>
/// <remarks>
/// A ratio compares two times of the same round, so that a temporary disturbance affects both. The ratios of all common
/// rounds yield a median and an interval (<see cref="Statistics.IntervalOfMedian"/>). Each round starts with a
/// different contestant, because a turn may be influenced by the preceding one. Rounds end when every interval is
/// narrower than <see cref="Goal"/>, after at least eight rounds, or at the time limit. A contestant whose ratio is
/// known sits out, except the fastest, with which all others are compared. A contestant that has used up its share of
/// the time sits out too, so that a slow one does not use the time of the others. Stopping based on the intervals
/// slightly lowers their coverage at some noise levels: with one in twenty turns disturbed, 93% to 98% of the intervals
/// contain the true ratio, as a test verifies.
/// </remarks>
/// <typeparam name="T">The type of a contestant.</typeparam>
internal sealed class PairedRounds<T>(IReadOnlyList<T> contestants, Func<T, bool> mayBeBest) where T : class
{
    /// <summary>The relative width below which an interval is narrow enough.</summary>
    public const double Goal = 0.03;

    private const int MinRounds = 8, MaxRounds = 400;

    // The share of the total time that one contestant may use while others need time too.
    private const double Share = 0.25;

    private readonly Dictionary<T,
        SortedList<int, double>> _times = contestants.ToDictionary(of => of, _ => new SortedList<int, double>());

    /// <summary>The fastest contestant among those that may be the best, or among all if there are none. Null if none
    /// had a turn.</summary>
    public T? Best => (Measured.Any(mayBeBest) ? Measured.Where(mayBeBest) : Measured)
        .MinBy(of => Statistics.Median(_times[of].Values));

    /// <summary>The contestants that had a turn.</summary>
    public IEnumerable<T> Measured => contestants.Where(of => _times[of].Count > 0);

    /// <summary>The times of the turns of a contestant, in milliseconds.</summary>
    public IList<double> TimesOf(T contestant) => _times[contestant].Values;

    /// <summary>Returns the time of a contestant relative to another, over the rounds in which both took part. All take
    /// part in the first round.</summary>
    public Interval Ratio(T contestant, T other) => contestant == other ? new Interval(1, 1, 1)
        : Statistics.IntervalOfMedian(
        [.. _times[contestant].Where(turn => _times[other].ContainsKey(turn.Key))
            .Select(turn => turn.Value / _times[other][turn.Key])]);

    /// <summary>Runs the rounds.</summary>
    /// <param name="turn">Runs the turn of a contestant and returns its time in milliseconds.</param>
    /// <param name="afterRound">The action after each round.</param>
    /// <param name="clock">Returns the elapsed time.</param>
    /// <param name="end">The time limit. Every contestant has at least one turn.</param>
    public void Run(Func<T, double> turn, Action afterRound, Func<TimeSpan> clock, TimeSpan end)
    {
        if (contestants.Count == 0)
            return;
        TimeSpan share = (end - clock()) * Math.Max(Share, 1.0 / contestants.Count);
        var spent = contestants.ToDictionary(of => of, _ => TimeSpan.Zero);
        var last = contestants.ToDictionary(of => of, _ => TimeSpan.Zero);
        for (int round = 0; round < MaxRounds; round++)
        {
            T[] playing = [
                .. Rotated(round).Where(of => round == 0 || (!IsKnown(of) && spent[of] + last[of] <= share))];
            // A contestant without a rival only needs enough rounds for its own interval.
            if (playing.Length == 0 || (round >= MinRounds && playing.All(of => of == Best)))
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
        >= MinRounds && Ratio(contestant, best).Width < Goal;
}
