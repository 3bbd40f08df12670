namespace ConvNet.Training;

/// <summary>Falls to 0 along a polynomial: α_t = α·(1 − t / T)ᵖ, and 0 after T.</summary>
/// <remarks>The learning rate changes at every step. PyTorch: PolynomialLR.</remarks>
public sealed record PolynomialSchedule : LearningRateSchedule
{
    private static readonly AttributeDeclaration<double> s_power
        = AttributeDeclaration.Number<PolynomialSchedule>("power", schedule => schedule.Power,
            NumberInterval.AboveZero, 1.0, "Power of the polynomial");

    private static readonly AttributeDeclaration<int> s_length
        = ScheduleAttributes.Length<PolynomialSchedule>(schedule => schedule.Length);

    private static readonly AttributeDeclaration<ScheduleUnit> s_unit
        = ScheduleAttributes.Unit<PolynomialSchedule>(schedule => schedule.Unit);

    /// <summary>The declaration of the schedule for files and commands.</summary>
    public static Declaration<LearningRateSchedule> Declared { get; } = new("polynomial",
        "falls to 0 along a polynomial", [s_power, s_length, s_unit],
        values => new PolynomialSchedule(values.Get(s_power), values.Get(s_length), values.Get(s_unit)));

    /// <summary>Creates the schedule.</summary>
    /// <param name="power">p, greater than 0.</param>
    /// <param name="length">T; 0 for the whole training.</param>
    /// <param name="unit">The unit of lengths and of the clock.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public PolynomialSchedule(double power = 1, int length = 0, ScheduleUnit unit = ScheduleUnit.Epochs)
    {
        Power = s_power.Check(Declared.Kind, power);
        Length = s_length.Check(Declared.Kind, length);
        Unit = s_unit.Check(Declared.Kind, unit);
    }

    /// <inheritdoc/>
    public override Declaration<LearningRateSchedule> Declaration => Declared;

    /// <summary>p, greater than 0.</summary>
    public double Power { get; }

    /// <summary>T; 0 for the whole training.</summary>
    public int Length { get; }

    /// <summary>The unit of lengths and of the clock.</summary>
    public ScheduleUnit Unit { get; }

    /// <inheritdoc/>
    public override double Rate(double initial, in SchedulePoint point)
        => initial * Math.Pow(1 - point.Passed(Length, Unit), Power);
}
