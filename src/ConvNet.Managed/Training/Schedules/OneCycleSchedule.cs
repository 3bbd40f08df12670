namespace ConvNet.Training;

/// <summary>One cycle over the whole training: the learning rate rises from α / a to α, then falls to α /
/// (a·b).</summary>
/// <remarks>The phases end at step r·T − 1 and T − 1 of T. With three phases, the fall from α takes as long as the
/// rise and ends at α / a; the last phase goes on from there. Within a phase, the learning rate follows half a cosine
/// wave, or a line. PyTorch: OneCycleLR with max_lr = α. PyTorch also cycles the momentum; here, where the optimiser
/// compiles its options, the momentum does not change. Source: Smith and Topin, arXiv:1708.07120, 2017.</remarks>
public sealed record OneCycleSchedule : LearningRateSchedule
{
    private static readonly AttributeDeclaration<double> s_rise
        = AttributeDeclaration.Number<OneCycleSchedule>("rise", schedule => schedule.Rise, new NumberInterval(0, 1,
            HasLeast: false, HasMost: false), 0.3, "Fraction of the training for the rise");

    private static readonly AttributeDeclaration<double> s_startDivisor
        = AttributeDeclaration.Number<OneCycleSchedule>("startDivisor", schedule => schedule.StartDivisor,
            NumberInterval.AboveZero, 25.0, "The learning rate starts at its value divided by this");

    private static readonly AttributeDeclaration<double> s_endDivisor
        = AttributeDeclaration.Number<OneCycleSchedule>("endDivisor", schedule => schedule.EndDivisor,
            NumberInterval.AboveZero, 1e4, "The learning rate ends at its start divided by this");

    private static readonly AttributeDeclaration<bool> s_linear
        = AttributeDeclaration.Flag<OneCycleSchedule>("linear", schedule => schedule.Linear, false,
            summary: "Lines instead of cosine waves");

    private static readonly AttributeDeclaration<bool> s_threePhases
        = AttributeDeclaration.Flag<OneCycleSchedule>("threePhases", schedule => schedule.ThreePhases, false,
            summary: "A fall to the start, then a further one");

    /// <summary>The declaration of the schedule for files and commands.</summary>
    public static Declaration<LearningRateSchedule> Declared { get; } = new("onecycle",
        "rises to the learning rate, then falls to almost 0", [s_rise, s_startDivisor, s_endDivisor, s_linear,
            s_threePhases],
        values => new OneCycleSchedule(values.Get(s_rise), values.Get(s_startDivisor), values.Get(s_endDivisor),
            values.Get(s_linear), values.Get(s_threePhases)));

    /// <summary>Creates the schedule.</summary>
    /// <param name="rise">r, in (0, 1): the fraction of the training that the rise takes; below ½ with three
    /// phases.</param>
    /// <param name="startDivisor">a, greater than 0.</param>
    /// <param name="endDivisor">b, greater than 0.</param>
    /// <param name="linear">Whether a phase follows a line.</param>
    /// <param name="threePhases">Whether the fall has two phases.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public OneCycleSchedule(double rise = 0.3, double startDivisor = 25, double endDivisor = 1e4,
        bool linear = false, bool threePhases = false)
    {
        Rise = s_rise.Check(Declared.Kind, rise);
        StartDivisor = s_startDivisor.Check(Declared.Kind, startDivisor);
        EndDivisor = s_endDivisor.Check(Declared.Kind, endDivisor);
        Linear = s_linear.Check(Declared.Kind, linear);
        ThreePhases = s_threePhases.Check(Declared.Kind, threePhases);
        if (threePhases && rise >= 0.5)
            throw new ArgumentOutOfRangeException(nameof(rise), FormattableString.Invariant(
                $"The rise takes {rise} of the training; with three phases it must be below 0.5."));
    }

    /// <inheritdoc/>
    public override Declaration<LearningRateSchedule> Declaration => Declared;

    /// <summary>r, in (0, 1): the fraction of the training that the rise takes; below ½ with three phases.</summary>
    public double Rise { get; }

    /// <summary>a, greater than 0.</summary>
    public double StartDivisor { get; }

    /// <summary>b, greater than 0.</summary>
    public double EndDivisor { get; }

    /// <summary>Whether a phase follows a line.</summary>
    public bool Linear { get; }

    /// <summary>Whether the fall has two phases.</summary>
    public bool ThreePhases { get; }

    /// <inheritdoc/>
    public override double Rate(double initial, in SchedulePoint point)
    {
        double start = initial / StartDivisor, end = start / EndDivisor, top = Rise * point.Steps - 1;
        double last = point.Steps - 1, middle = ThreePhases ? 2 * Rise * point.Steps - 2 : top;
        long step = point.Step;
        if (step <= top)
            return Between(start, initial, step, 0, top);
        if (step <= middle)
            return Between(initial, start, step, top, middle);
        return Between(ThreePhases ? start : initial, end, step, middle, last);
    }

    private double Between(double from, double to, double step, double first, double last)
    {
        double passed = last > first ? Math.Clamp((step - first) / (last - first), 0, 1) : 1;
        return Linear ? from + (to - from) * passed : to + (from - to) / 2 * (1 + Math.Cos(Math.PI * passed));
    }
}
