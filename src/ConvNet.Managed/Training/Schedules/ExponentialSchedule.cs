namespace ConvNet.Training;

/// <summary>Steps down after every epoch or step: α_t = α·γ^⌊t⌋.</summary>
/// <remarks>t counts in <see cref="Unit"/>. PyTorch: ExponentialLR.</remarks>
public sealed record ExponentialSchedule : LearningRateSchedule
{
    private static readonly AttributeDeclaration<double> s_factor
        = ScheduleAttributes.Factor<ExponentialSchedule>(schedule => schedule.Factor, 0.9);

    private static readonly AttributeDeclaration<ScheduleUnit> s_unit
        = ScheduleAttributes.Unit<ExponentialSchedule>(schedule => schedule.Unit);

    /// <summary>The declaration of the schedule for files and commands.</summary>
    public static Declaration<LearningRateSchedule> Declared { get; } = new("exponential",
        "the learning rate is multiplied by a factor after every epoch", [s_factor, s_unit],
        values => new ExponentialSchedule(values.Get(s_factor), values.Get(s_unit)));

    /// <summary>Creates the schedule.</summary>
    /// <param name="factor">γ, in (0, 1]: the factor of an epoch or step.</param>
    /// <param name="unit">The unit of lengths and of the clock.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public ExponentialSchedule(double factor = 0.9, ScheduleUnit unit = ScheduleUnit.Epochs)
    {
        Factor = s_factor.Check(Declared.Kind, factor);
        Unit = s_unit.Check(Declared.Kind, unit);
    }

    /// <inheritdoc/>
    public override Declaration<LearningRateSchedule> Declaration => Declared;

    /// <summary>γ, in (0, 1]: the factor of an epoch or step.</summary>
    public double Factor { get; }

    /// <summary>The unit of lengths and of the clock.</summary>
    public ScheduleUnit Unit { get; }

    /// <inheritdoc/>
    public override double Rate(double initial, in SchedulePoint point)
        => initial * Math.Pow(Factor, Math.Floor(point.Time(Unit)));
}
