using System.Diagnostics;
using static System.FormattableString;

namespace ConvNet.Training;

/// <summary>Ends a training after a time, once the current step is done.</summary>
/// <remarks>The time begins with <see cref="Trainer.Train"/>; that before a training was resumed does not
/// count.</remarks>
public sealed class TimeLimit : TrainingCallback
{
    private readonly TimeSpan _time;
    private long _start;

    /// <summary>Creates the callback.</summary>
    /// <param name="time">The time, more than zero.</param>
    /// <exception cref="ArgumentOutOfRangeException">The time is not positive.</exception>
    public TimeLimit(TimeSpan time) => _time = time > TimeSpan.Zero ? time
        : throw new ArgumentOutOfRangeException(nameof(time),
            Invariant($"The time limit is {time}; it must be more than zero."));

    /// <inheritdoc/>
    public override void OnStart(Trainer trainer) => _start = Stopwatch.GetTimestamp();

    /// <inheritdoc/>
    /// <exception cref="ArgumentNullException"><paramref name="trainer"/> is null.</exception>
    public override void OnStep(Trainer trainer, in StepReport step)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        if (Stopwatch.GetElapsedTime(_start) >= _time)
            trainer.Stop(Invariant($"the time limit of {_time:g} has passed"));
    }
}
