namespace ConvNet.Training;

/// <summary>Moves from one factor of α to another: α_t = α·(s + (e − s)·t / T), and α·e after T.</summary>
/// <remarks>The learning rate changes at every step. With s &lt; 1 and e = 1 it is a warm-up, to be followed by
/// another schedule in a <see cref="SequentialSchedule"/>. PyTorch: LinearLR.</remarks>
public sealed record LinearSchedule : LearningRateSchedule
{
    private static readonly AttributeDeclaration<double> s_start
        = AttributeDeclaration.Number<LinearSchedule>("start", schedule => schedule.Start, NumberInterval.FromZero,
            1.0 / 3, "Factor at the start");

    private static readonly AttributeDeclaration<double> s_end = AttributeDeclaration.Number<LinearSchedule>("end",
        schedule => schedule.End, NumberInterval.FromZero, 1.0, "Factor at the end");

    private static readonly AttributeDeclaration<int> s_length
        = ScheduleAttributes.Length<LinearSchedule>(schedule => schedule.Length, 5);

    private static readonly AttributeDeclaration<ScheduleUnit> s_unit
        = ScheduleAttributes.Unit<LinearSchedule>(schedule => schedule.Unit);

    /// <summary>The declaration of the schedule for files and commands.</summary>
    public static Declaration<LearningRateSchedule> Declared { get; } = new("linear",
        "moves from one factor of the learning rate to another", [s_start, s_end, s_length, s_unit],
        values => new LinearSchedule(values.Get(s_start), values.Get(s_end), values.Get(s_length),
            values.Get(s_unit)));

    /// <summary>Creates the schedule.</summary>
    /// <param name="start">s, not negative: the factor at the start.</param>
    /// <param name="end">e, not negative: the factor at the end.</param>
    /// <param name="length">T; 0 for the whole training.</param>
    /// <param name="unit">The unit of lengths and of the clock.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public LinearSchedule(double start = 1.0 / 3, double end = 1, int length = 5,
        ScheduleUnit unit = ScheduleUnit.Epochs)
    {
        Start = s_start.Check(Declared.Kind, start);
        End = s_end.Check(Declared.Kind, end);
        Length = s_length.Check(Declared.Kind, length);
        Unit = s_unit.Check(Declared.Kind, unit);
    }

    /// <inheritdoc/>
    public override Declaration<LearningRateSchedule> Declaration => Declared;

    /// <summary>s, not negative: the factor at the start.</summary>
    public double Start { get; }

    /// <summary>e, not negative: the factor at the end.</summary>
    public double End { get; }

    /// <summary>T; 0 for the whole training.</summary>
    public int Length { get; }

    /// <summary>The unit of lengths and of the clock.</summary>
    public ScheduleUnit Unit { get; }

    /// <inheritdoc/>
    public override double Rate(double initial, in SchedulePoint point)
        => initial * (Start + (End - Start) * point.Passed(Length, Unit));
}
