using System.Collections;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace ConvNet.Training;

/// <summary>Times at which a schedule changes: positive whole numbers in ascending order.</summary>
/// <remarks><code>new MultiStepSchedule([30, 60, 80])</code></remarks>
[CollectionBuilder(typeof(Milestones), nameof(Of))]
public readonly struct Milestones : IReadOnlyList<int>, IEquatable<Milestones>
{
    private readonly int[]? _times;

    private Milestones(int[] times) => _times = times;

    /// <inheritdoc/>
    public int Count => _times?.Length ?? 0;

    /// <summary>Gets a time.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no time of this index.</exception>
    public int this[int index] => _times is null ? throw new ArgumentOutOfRangeException(nameof(index)) : _times[index];

    /// <summary>Creates milestones.</summary>
    /// <param name="times">The times.</param>
    /// <exception cref="ArgumentException">A time is less than 1, or not above the one before.</exception>
    public static Milestones Of(params ReadOnlySpan<int> times)
    {
        for (int i = 0; i < times.Length; i++)
        {
            int least = i == 0 ? 0 : times[i - 1];
            if (times[i] <= least)
                throw new ArgumentException($"The milestone {times[i]} follows {least}. Milestones must be above 0, "
                    + "and each above the one before.", nameof(times));
        }
        return new(times.ToArray());
    }

    /// <summary>Reads milestones such as <c>30,60,80</c>; null if they are none.</summary>
    internal static Milestones? Parse(string text)
    {
        var times = new List<int>();
        foreach (string word in text.Split(','))
        {
            if (!int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int time)
                || time <= (times.Count == 0 ? 0 : times[^1]))
                return null;
            times.Add(time);
        }
        return new Milestones([.. times]);
    }

    /// <inheritdoc/>
    public IEnumerator<int> GetEnumerator() => ((IEnumerable<int>)(_times ?? [])).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <inheritdoc/>
    public bool Equals(Milestones other) => this.SequenceEqual(other);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Milestones other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => this.Aggregate(0, HashCode.Combine);

    /// <summary>Returns the times, such as <c>30,60,80</c>.</summary>
    public override string ToString() => string.Join(',', this);

    /// <summary>Returns whether the times are equal.</summary>
    public static bool operator ==(Milestones left, Milestones right) => left.Equals(right);

    /// <summary>Returns whether the times differ.</summary>
    public static bool operator !=(Milestones left, Milestones right) => !left.Equals(right);
}
