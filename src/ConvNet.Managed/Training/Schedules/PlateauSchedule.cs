namespace ConvNet.Training;

/// <summary>Steps down when a result of the epochs no longer improves: α ← max(α·γ, m) after more than p epochs
/// without a new best.</summary>
/// <remarks>A loss is better than the best one b below b·(1 − θ), an accuracy above b·(1 + θ); with an absolute
/// threshold, below b − θ and above b + θ. The first result is always better; NaN never is. The c epochs after a step
/// do not count. A step of at most ε is not made. PyTorch: ReduceLROnPlateau. All of this follows from the results of
/// the epochs, which are in the <see cref="TrainingProgress"/>.</remarks>
public sealed record PlateauSchedule : LearningRateSchedule
{
    private static readonly AttributeDeclaration<EpochMetric> s_metric
        = AttributeDeclaration.Choice<PlateauSchedule, EpochMetric>("metric", schedule => schedule.Follows,
            [("loss", EpochMetric.Loss), ("accuracy", EpochMetric.TestAccuracy), ("testloss", EpochMetric.TestLoss)],
            EpochMetric.Loss,
            summary: "Result that is followed");

    private static readonly AttributeDeclaration<double> s_factor
        = ScheduleAttributes.Factor<PlateauSchedule>(schedule => schedule.Factor, 0.1);

    private static readonly AttributeDeclaration<int> s_patience
        = AttributeDeclaration.Integer<PlateauSchedule>("patience", schedule => schedule.Patience, 10, 0,
            summary: "Epochs without a new best that are accepted");

    private static readonly AttributeDeclaration<double> s_threshold
        = AttributeDeclaration.Number<PlateauSchedule>("threshold", schedule => schedule.Threshold,
            NumberInterval.FromZero, 1e-4, "How much better a new best must be");

    private static readonly AttributeDeclaration<bool> s_absolute
        = AttributeDeclaration.Flag<PlateauSchedule>("absolute", schedule => schedule.Absolute, false,
            summary: "Absolute threshold");

    private static readonly AttributeDeclaration<int> s_cooldown
        = AttributeDeclaration.Integer<PlateauSchedule>("cooldown", schedule => schedule.Cooldown, 0, 0,
            summary: "Epochs after a step that do not count");

    private static readonly AttributeDeclaration<double> s_minimum
        = ScheduleAttributes.Minimum<PlateauSchedule>(schedule => schedule.Minimum);

    private static readonly AttributeDeclaration<double> s_epsilon
        = AttributeDeclaration.Number<PlateauSchedule>("epsilon", schedule => schedule.Epsilon,
            NumberInterval.FromZero, 1e-8, "Largest step that is not made");

    /// <summary>The declaration of the schedule for files and commands.</summary>
    public static Declaration<LearningRateSchedule> Declared { get; } = new("plateau",
        "steps down when the results no longer improve", [s_metric, s_factor, s_patience, s_threshold, s_absolute,
            s_cooldown, s_minimum, s_epsilon],
        values => new PlateauSchedule(values.Get(s_metric), values.Get(s_factor), values.Get(s_patience),
            values.Get(s_threshold), values.Get(s_absolute), values.Get(s_cooldown), values.Get(s_minimum),
                values.Get(s_epsilon)));

    /// <summary>Creates the schedule.</summary>
    /// <param name="metric">The result that is followed.</param>
    /// <param name="factor">γ, in (0, 1]: the factor of a step.</param>
    /// <param name="patience">p, from 0: the number of epochs without a new best that are accepted.</param>
    /// <param name="threshold">θ, not negative: how much better a new best must be.</param>
    /// <param name="absolute">Whether the threshold is absolute, not relative to the best.</param>
    /// <param name="cooldown">c, from 0: the number of epochs after a step that do not count.</param>
    /// <param name="minimum">m, not negative: the smallest learning rate.</param>
    /// <param name="epsilon">ε, not negative: the largest step that is not made.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public PlateauSchedule(EpochMetric metric = EpochMetric.Loss, double factor = 0.1, int patience = 10,
        double threshold = 1e-4, bool absolute = false, int cooldown = 0, double minimum = 0, double epsilon = 1e-8)
    {
        Follows = s_metric.Check(Declared.Kind, metric);
        Factor = s_factor.Check(Declared.Kind, factor);
        Patience = s_patience.Check(Declared.Kind, patience);
        Threshold = s_threshold.Check(Declared.Kind, threshold);
        Absolute = s_absolute.Check(Declared.Kind, absolute);
        Cooldown = s_cooldown.Check(Declared.Kind, cooldown);
        Minimum = s_minimum.Check(Declared.Kind, minimum);
        Epsilon = s_epsilon.Check(Declared.Kind, epsilon);
    }

    /// <inheritdoc/>
    public override Declaration<LearningRateSchedule> Declaration => Declared;

    /// <summary>The result that is followed.</summary>
    public EpochMetric Follows { get; }

    /// <summary>γ, in (0, 1]: the factor of a step.</summary>
    public double Factor { get; }

    /// <summary>p, from 0: the number of epochs without a new best that are accepted.</summary>
    public int Patience { get; }

    /// <summary>θ, not negative: how much better a new best must be.</summary>
    public double Threshold { get; }

    /// <summary>Whether the threshold is absolute, not relative to the best.</summary>
    public bool Absolute { get; }

    /// <summary>c, from 0: the number of epochs after a step that do not count.</summary>
    public int Cooldown { get; }

    /// <summary>m, not negative: the smallest learning rate.</summary>
    public double Minimum { get; }

    /// <summary>ε, not negative: the largest step that is not made.</summary>
    public double Epsilon { get; }

    /// <inheritdoc/>
    public override EpochMetric? Metric => Follows;

    /// <inheritdoc/>
    public override double Rate(double initial, in SchedulePoint point)
    {
        double rate = initial;
        double? best = null;
        int bad = 0, cooldown = 0;
        foreach (EpochResult epoch in point.Results)
        {
            double result = epoch[Follows];
            bool isBetter = IsBetter(result, best);
            (best, bad) = isBetter ? (result, 0) : (best, bad + 1);
            if (cooldown > 0)
                (cooldown, bad) = (cooldown - 1, 0);
            if (bad <= Patience)
                continue;
            double lower = Math.Max(rate * Factor, Minimum);
            if (rate - lower > Epsilon)
                rate = lower;
            (cooldown, bad) = (Cooldown, 0);
        }
        return rate;
    }

    private bool IsBetter(double result, double? best)
    {
        if (best is not { } known)
            return !double.IsNaN(result);
        double margin = Absolute ? Threshold : known * Threshold;
        return Follows == EpochMetric.TestAccuracy ? result > known + margin : result < known - margin;
    }
}
