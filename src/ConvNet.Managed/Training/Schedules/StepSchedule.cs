namespace ConvNet.Training;

/// <summary>Steps down at equal distances: α_t = α·γ^⌊t / size⌋.</summary>
/// <remarks>t counts in <see cref="Unit"/>. PyTorch: StepLR.</remarks>
public sealed record StepSchedule : LearningRateSchedule
{
    private static readonly AttributeDeclaration<int> s_size = AttributeDeclaration.Integer<StepSchedule>("size",
        schedule => schedule.Size, 10, summary: "Distance of two steps");

    private static readonly AttributeDeclaration<double> s_factor
        = ScheduleAttributes.Factor<StepSchedule>(schedule => schedule.Factor, 0.1);

    private static readonly AttributeDeclaration<ScheduleUnit> s_unit
        = ScheduleAttributes.Unit<StepSchedule>(schedule => schedule.Unit);

    /// <summary>The declaration of the schedule for files and commands.</summary>
    public static Declaration<LearningRateSchedule> Declared { get; } = new("step",
        "steps down at equal distances", [s_size, s_factor, s_unit],
        values => new StepSchedule(values.Get(s_size), values.Get(s_factor), values.Get(s_unit)));

    /// <summary>Creates the schedule.</summary>
    /// <param name="size">The distance of two steps, from 1.</param>
    /// <param name="factor">γ, in (0, 1]: the factor of a step.</param>
    /// <param name="unit">The unit of lengths and of the clock.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public StepSchedule(int size = 10, double factor = 0.1, ScheduleUnit unit = ScheduleUnit.Epochs)
    {
        Size = s_size.Check(Declared.Kind, size);
        Factor = s_factor.Check(Declared.Kind, factor);
        Unit = s_unit.Check(Declared.Kind, unit);
    }

    /// <inheritdoc/>
    public override Declaration<LearningRateSchedule> Declaration => Declared;

    /// <summary>The distance of two steps, from 1.</summary>
    public int Size { get; }

    /// <summary>γ, in (0, 1]: the factor of a step.</summary>
    public double Factor { get; }

    /// <summary>The unit of lengths and of the clock.</summary>
    public ScheduleUnit Unit { get; }

    /// <inheritdoc/>
    public override double Rate(double initial, in SchedulePoint point)
        => initial * Math.Pow(Factor, Math.Floor(point.Time(Unit) / Size));
}
