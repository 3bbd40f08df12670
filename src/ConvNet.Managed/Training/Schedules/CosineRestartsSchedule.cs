namespace ConvNet.Training;

/// <summary>Cosine decay with warm restarts: α_t = m + (α − m)·(1 + cos(π·u / Tᵢ)) / 2, at u since the last restart,
/// with Tᵢ₊₁ = k·Tᵢ.</summary>
/// <remarks>The learning rate changes at every step. PyTorch: CosineAnnealingWarmRestarts. Source: Loshchilov and
/// Hutter, ICLR 2017.</remarks>
public sealed record CosineRestartsSchedule : LearningRateSchedule
{
    private static readonly AttributeDeclaration<int> s_first
        = AttributeDeclaration.Integer<CosineRestartsSchedule>("first", schedule => schedule.First, 10,
            summary: "Length of the first decay");

    private static readonly AttributeDeclaration<int> s_multiplier
        = AttributeDeclaration.Integer<CosineRestartsSchedule>("multiplier", schedule => schedule.Multiplier, 1,
            summary: "Length of a decay relative to the one before");

    private static readonly AttributeDeclaration<double> s_minimum
        = ScheduleAttributes.Minimum<CosineRestartsSchedule>(schedule => schedule.Minimum);

    private static readonly AttributeDeclaration<ScheduleUnit> s_unit
        = ScheduleAttributes.Unit<CosineRestartsSchedule>(schedule => schedule.Unit);

    /// <summary>The declaration of the schedule for files and commands.</summary>
    public static Declaration<LearningRateSchedule> Declared { get; } = new("cosinerestarts",
        "cosine decay that starts again", [s_first, s_multiplier, s_minimum, s_unit],
        values => new CosineRestartsSchedule(values.Get(s_first), values.Get(s_multiplier), values.Get(s_minimum),
            values.Get(s_unit)));

    /// <summary>Creates the schedule.</summary>
    /// <param name="first">T₀, from 1: the length of the first decay.</param>
    /// <param name="multiplier">k, from 1: the length of a decay relative to the one before.</param>
    /// <param name="minimum">m, not negative: the learning rate at the end of a decay.</param>
    /// <param name="unit">The unit of lengths and of the clock.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public CosineRestartsSchedule(int first = 10, int multiplier = 1, double minimum = 0,
        ScheduleUnit unit = ScheduleUnit.Epochs)
    {
        First = s_first.Check(Declared.Kind, first);
        Multiplier = s_multiplier.Check(Declared.Kind, multiplier);
        Minimum = s_minimum.Check(Declared.Kind, minimum);
        Unit = s_unit.Check(Declared.Kind, unit);
    }

    /// <inheritdoc/>
    public override Declaration<LearningRateSchedule> Declaration => Declared;

    /// <summary>T₀, from 1: the length of the first decay.</summary>
    public int First { get; }

    /// <summary>k, from 1: the length of a decay relative to the one before.</summary>
    public int Multiplier { get; }

    /// <summary>m, not negative: the learning rate at the end of a decay.</summary>
    public double Minimum { get; }

    /// <summary>The unit of lengths and of the clock.</summary>
    public ScheduleUnit Unit { get; }

    /// <inheritdoc/>
    public override double Rate(double initial, in SchedulePoint point)
    {
        double since = point.Time(Unit), length = First;
        if (Multiplier == 1)
            since %= length;
        for (; since >= length; length *= Multiplier)
            since -= length;
        return Minimum + (initial - Minimum) * (1 + Math.Cos(Math.PI * since / length)) / 2;
    }
}
