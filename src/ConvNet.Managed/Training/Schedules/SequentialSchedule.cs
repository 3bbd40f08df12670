namespace ConvNet.Training;

/// <summary>Schedules one after another, each from a milestone on as if the training began there.</summary>
/// <remarks>
/// <code>new SequentialSchedule([new LinearSchedule(0.01, 1, 5), new CosineSchedule()], [5])</code>
/// A schedule with a length of the whole training takes the section until the next milestone. All of them start from
/// the
/// learning rate of the training. Of the results of epochs, a schedule knows those of its own section. PyTorch:
/// SequentialLR.
/// </remarks>
public sealed record SequentialSchedule : LearningRateSchedule
{
    /// <summary>Creates the schedule.</summary>
    /// <param name="schedules">The schedules, two or more.</param>
    /// <param name="milestones">The times at which the second schedule and those after it begin.</param>
    /// <param name="unit">The unit of the milestones.</param>
    /// <exception cref="ArgumentNullException">The schedules or one of them are null.</exception>
    /// <exception cref="ArgumentException">The number of milestones is not one less than that of schedules.</exception>
    public SequentialSchedule(IReadOnlyList<LearningRateSchedule> schedules, Milestones milestones,
        ScheduleUnit unit = ScheduleUnit.Epochs)
    {
        ArgumentNullException.ThrowIfNull(schedules);
        foreach (LearningRateSchedule schedule in schedules)
            ArgumentNullException.ThrowIfNull(schedule, nameof(schedules));
        if (schedules.Count < 2 || milestones.Count != schedules.Count - 1)
            throw new ArgumentException($"There are {schedules.Count} schedules and {milestones.Count} milestones. A "
                + "sequence needs two or more schedules, and a milestone for each but the first.", nameof(milestones));
        (Schedules, Milestones, Unit) = ([.. schedules], milestones, unit);
    }

    /// <summary>The schedules.</summary>
    public IReadOnlyList<LearningRateSchedule> Schedules { get; }

    /// <summary>The times at which the second schedule and those after it begin.</summary>
    public Milestones Milestones { get; }

    /// <summary>The unit of the milestones.</summary>
    public ScheduleUnit Unit { get; }

    /// <inheritdoc/>
    public override EpochMetric? Metric => Schedules.Max(schedule => schedule.Metric);

    /// <inheritdoc/>
    public override double Rate(double initial, in SchedulePoint point)
    {
        long unit = Unit == ScheduleUnit.Steps ? 1 : point.StepsPerEpoch, start = 0, end = point.Steps;
        int index = 0;
        for (; index < Milestones.Count; index++)
        {
            long next = Milestones[index] * unit;
            if (next > point.Step)
            {
                end = Math.Min(end, next);
                break;
            }
            start = next;
        }
        return Schedules[index].Rate(initial, point.Within(start, end));
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(SequentialSchedule), (nameof(Schedules), Schedules),
        (nameof(Milestones), Milestones), (nameof(Unit), Unit));

    /// <inheritdoc/>
    public bool Equals(SequentialSchedule? other) => other is not null && Schedules.SequenceEqual(other.Schedules)
        && (Milestones, Unit) == (other.Milestones, other.Unit);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Schedules.Count, Milestones, Unit);
}
