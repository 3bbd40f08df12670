namespace ConvNet.Training;

/// <summary>Cosine decay to a minimum: α_t = m + (α − m)·(1 + cos(π·t / T)) / 2, and m after T.</summary>
/// <remarks>The learning rate changes at every step. PyTorch: CosineAnnealingLR, which rises again after T. Source:
/// Loshchilov and Hutter, ICLR 2017, without restarts.</remarks>
public sealed record CosineSchedule : LearningRateSchedule
{
    private static readonly AttributeDeclaration<double> s_minimum
        = ScheduleAttributes.Minimum<CosineSchedule>(schedule => schedule.Minimum);

    private static readonly AttributeDeclaration<int> s_length
        = ScheduleAttributes.Length<CosineSchedule>(schedule => schedule.Length);

    private static readonly AttributeDeclaration<ScheduleUnit> s_unit
        = ScheduleAttributes.Unit<CosineSchedule>(schedule => schedule.Unit);

    /// <summary>The declaration of the schedule for files and commands.</summary>
    public static Declaration<LearningRateSchedule> Declared { get; } = new("cosine",
        "the learning rate falls along half a cosine wave", [s_minimum, s_length, s_unit],
        values => new CosineSchedule(values.Get(s_minimum), values.Get(s_length), values.Get(s_unit)));

    /// <summary>Creates the schedule.</summary>
    /// <param name="minimum">m, not negative: the learning rate at the end.</param>
    /// <param name="length">T; 0 for the whole training.</param>
    /// <param name="unit">The unit of lengths and of the clock.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public CosineSchedule(double minimum = 0, int length = 0, ScheduleUnit unit = ScheduleUnit.Epochs)
    {
        Minimum = s_minimum.Check(Declared.Kind, minimum);
        Length = s_length.Check(Declared.Kind, length);
        Unit = s_unit.Check(Declared.Kind, unit);
    }

    /// <inheritdoc/>
    public override Declaration<LearningRateSchedule> Declaration => Declared;

    /// <summary>m, not negative: the learning rate at the end.</summary>
    public double Minimum { get; }

    /// <summary>T; 0 for the whole training.</summary>
    public int Length { get; }

    /// <summary>The unit of lengths and of the clock.</summary>
    public ScheduleUnit Unit { get; }

    /// <inheritdoc/>
    public override double Rate(double initial, in SchedulePoint point)
        => Minimum + (initial - Minimum) * (1 + Math.Cos(Math.PI * point.Passed(Length, Unit))) / 2;
}
