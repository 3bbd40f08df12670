using System.Globalization;
using static System.FormattableString;

namespace ConvNet.Serialization;

/// <summary>How often a checkpoint is saved: after a number of steps, a time, or a number of epochs.</summary>
public readonly record struct CheckpointInterval
{
    private static readonly (string Word, double Seconds)[] s_times =
        [("seconds", 1), ("second", 1), ("sec", 1), ("s", 1), ("minutes", 60), ("minute", 60), ("min", 60), ("m", 60),
            ("hours", 3600), ("hour", 3600), ("h", 3600)];

    private readonly int _steps, _epochs;
    private readonly TimeSpan _time;

    private CheckpointInterval(int steps, TimeSpan time, int epochs)
        => (_steps, _time, _epochs) = (steps, time, epochs);

    /// <summary>Returns an interval of steps.</summary>
    /// <param name="count">The number of steps, from 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is less than 1.</exception>
    public static CheckpointInterval Steps(int count) => new(FromOne(count), default, 0);

    /// <summary>Returns an interval of epochs.</summary>
    /// <param name="count">The number of epochs, from 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is less than 1.</exception>
    public static CheckpointInterval Epochs(int count) => new(0, default, FromOne(count));

    /// <summary>Returns an interval of time. A checkpoint is saved after the step in which it has passed.</summary>
    /// <param name="time">The time, more than zero.</param>
    /// <exception cref="ArgumentOutOfRangeException">The time is not positive.</exception>
    public static CheckpointInterval Time(TimeSpan time) => time > TimeSpan.Zero ? new(0, time, 0)
        : throw new ArgumentOutOfRangeException(nameof(time),
            Invariant($"The interval is {time}; it must be more than zero."));

    /// <summary>Reads an interval such as <c>500steps</c>, <c>30s</c>, <c>10min</c>, <c>2h</c>, <c>epoch</c> or
    /// <c>5epochs</c>.</summary>
    /// <param name="text">The text.</param>
    /// <exception cref="ArgumentNullException"><paramref name="text"/> is null.</exception>
    /// <exception cref="FormatException">The text is none of these.</exception>
    public static CheckpointInterval Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int digits = text.TakeWhile(c => char.IsAsciiDigit(c) || c == '.').Count();
        string word = text[digits..].Trim();
        double number = 1;
        if (digits > 0 && !double.TryParse(text.AsSpan(0, digits), NumberStyles.AllowDecimalPoint,
            CultureInfo.InvariantCulture, out number))
            number = 0;
        bool isCount = number is >= 1 and <= int.MaxValue && number == Math.Floor(number);
        if (isCount && word is "step" or "steps")
            return Steps((int)number);
        if (isCount && word is "epoch" or "epochs")
            return Epochs((int)number);
        double seconds = number * s_times.FirstOrDefault(time => time.Word == word).Seconds;
        return seconds is >= 1e-3 and <= 1e9 ? Time(TimeSpan.FromSeconds(seconds)) : throw new FormatException(
            $"\"{Excerpt.Of(text)}\" is no interval. Use a number of steps, a time or a number of epochs, as in "
            + "500steps, 30s, 10min, 2h, epoch or 5epochs.");
    }

    /// <summary>The time; null if the interval counts steps or epochs.</summary>
    internal TimeSpan? Length => _time > TimeSpan.Zero ? _time : null;

    /// <summary>Whether a checkpoint is due after a step.</summary>
    /// <param name="steps">The number of steps since the last checkpoint.</param>
    /// <param name="time">The time since the last checkpoint.</param>
    internal bool IsDueAfterStep(long steps, TimeSpan time)
        => _steps > 0 && steps >= _steps || _time > TimeSpan.Zero && time >= _time;

    /// <summary>Whether a checkpoint is due after an epoch.</summary>
    /// <param name="epoch">The epoch, from 1.</param>
    internal bool IsDueAfterEpoch(int epoch) => _epochs > 0 && epoch % _epochs == 0;

    /// <inheritdoc/>
    public override string ToString() => this switch
    {
        { _steps: > 0 } => Invariant($"{_steps}steps"),
        { _epochs: > 1 } => Invariant($"{_epochs}epochs"),
        { _epochs: 1 } => "epoch",
        _ => Invariant($"{_time.TotalSeconds}s"),
    };

    private static int FromOne(int count) => count >= 1 ? count : throw new ArgumentOutOfRangeException(nameof(count),
        Invariant($"The interval is {count}; it must be at least 1."));
}
