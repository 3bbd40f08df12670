namespace ConvNet.Training;

/// <summary>Steps down at given times: α_t = α·γⁿ, where n is the number of milestones up to t.</summary>
/// <remarks>t counts in <see cref="Unit"/>. PyTorch: MultiStepLR.</remarks>
public sealed record MultiStepSchedule : LearningRateSchedule
{
    private static readonly AttributeDeclaration<Milestones> s_milestones
        = AttributeDeclaration.Times<MultiStepSchedule>("milestones", schedule => schedule.Milestones,
            "Times of the steps");

    private static readonly AttributeDeclaration<double> s_factor
        = ScheduleAttributes.Factor<MultiStepSchedule>(schedule => schedule.Factor, 0.1);

    private static readonly AttributeDeclaration<ScheduleUnit> s_unit
        = ScheduleAttributes.Unit<MultiStepSchedule>(schedule => schedule.Unit);

    /// <summary>The declaration of the schedule for files and commands.</summary>
    public static Declaration<LearningRateSchedule> Declared { get; } = new("multistep",
        "steps down at given times", [s_milestones, s_factor, s_unit],
        values => new MultiStepSchedule(values.Get(s_milestones), values.Get(s_factor), values.Get(s_unit)));

    /// <summary>Creates the schedule.</summary>
    /// <param name="milestones">The times of the steps, in ascending order.</param>
    /// <param name="factor">γ, in (0, 1]: the factor of a step.</param>
    /// <param name="unit">The unit of lengths and of the clock.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public MultiStepSchedule(Milestones milestones, double factor = 0.1, ScheduleUnit unit = ScheduleUnit.Epochs)
    {
        Milestones = s_milestones.Check(Declared.Kind, milestones);
        Factor = s_factor.Check(Declared.Kind, factor);
        Unit = s_unit.Check(Declared.Kind, unit);
    }

    /// <inheritdoc/>
    public override Declaration<LearningRateSchedule> Declaration => Declared;

    /// <summary>The times of the steps, in ascending order.</summary>
    public Milestones Milestones { get; }

    /// <summary>γ, in (0, 1]: the factor of a step.</summary>
    public double Factor { get; }

    /// <summary>The unit of lengths and of the clock.</summary>
    public ScheduleUnit Unit { get; }

    /// <inheritdoc/>
    public override double Rate(double initial, in SchedulePoint point)
    {
        double time = point.Time(Unit);
        return initial * Math.Pow(Factor, Milestones.Count(milestone => milestone <= time));
    }
}
