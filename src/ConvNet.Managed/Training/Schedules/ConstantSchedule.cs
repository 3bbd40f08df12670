namespace ConvNet.Training;

/// <summary>A constant learning rate.</summary>
public sealed record ConstantSchedule : LearningRateSchedule
{
    /// <summary>The declaration of the schedule for files and commands.</summary>
    public static Declaration<LearningRateSchedule> Declared { get; } = new("constant",
        "the learning rate does not change", [], _ => new ConstantSchedule());

    /// <inheritdoc/>
    public override Declaration<LearningRateSchedule> Declaration => Declared;

    /// <inheritdoc/>
    public override double Rate(double initial, in SchedulePoint point) => initial;
}
