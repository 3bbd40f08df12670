namespace ConvNet.Training;

/// <summary>A way to average the weights over the steps of a training: a ← a + s·(w − a), where the share s depends on
/// the number of averages so far.</summary>
/// <remarks>The first average is the weights themselves. <see cref="AveragedWeights"/> holds the result.</remarks>
public abstract record WeightAveraging
{
    /// <summary>All ways of this library.</summary>
    public static KindSet<WeightAveraging> BuiltIn { get; } = new("averaging", ExponentialAveraging.Declared,
        StochasticAveraging.Declared);

    /// <summary>The declaration for files and commands; null if there is none.</summary>
    public virtual Declaration<WeightAveraging>? Declaration => null;

    /// <summary>Whether running statistics are averaged like weights; otherwise they are those of the last
    /// average.</summary>
    public virtual bool AveragesStatistics => false;

    /// <summary>Whether a <see cref="Trainer"/> estimates the running statistics anew for the averaged weights at the
    /// end of the training.</summary>
    public virtual bool ReestimatesStatistics => false;

    /// <summary>Returns whether the weights are averaged after a step.</summary>
    /// <param name="point">The step.</param>
    public abstract bool IsDue(in SchedulePoint point);

    /// <summary>Returns the share s of the weights in their next average.</summary>
    /// <param name="count">The number of averages so far, at least 1.</param>
    public abstract double Share(long count);
}

/// <summary>The exponential moving average (EMA) of the weights: a ← d·a + (1 − d)·w.</summary>
/// <remarks>Sources: Polyak and Juditsky, SIAM J. Control Optim. 30, 1992; as used for networks: Tarvainen and Valpola,
/// NeurIPS 2017. PyTorch: swa_utils.get_ema_avg_fn.</remarks>
public sealed record ExponentialAveraging : WeightAveraging
{
    private static readonly AttributeDeclaration<double> s_decay = AttributeDeclaration.Number<ExponentialAveraging>(
        "decay", averaging => averaging.Decay, NumberInterval.BelowOne, 0.999, "Decay of the average");

    private static readonly AttributeDeclaration<int> s_every = AttributeDeclaration.Integer<ExponentialAveraging>(
        "every", averaging => averaging.Every, 1, summary: "Number of steps (ema) or epochs (swa) between averages");

    private static readonly AttributeDeclaration<bool> s_statistics = AttributeDeclaration.Flag<ExponentialAveraging>(
        "statistics", averaging => averaging.AveragesStatistics, true, summary: "Average running statistics too");

    /// <summary>The declaration for files and commands.</summary>
    public static Declaration<WeightAveraging> Declared { get; } = new("ema",
        "exponential moving average of the weights", [s_decay, s_every, s_statistics],
        values => new ExponentialAveraging(values.Get(s_decay), values.Get(s_every), values.Get(s_statistics)));

    /// <summary>Creates the averaging.</summary>
    /// <param name="decay">d, in [0, 1).</param>
    /// <param name="every">The number of steps between averages, from 1.</param>
    /// <param name="statistics">Whether running statistics are averaged like weights.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public ExponentialAveraging(double decay = 0.999, int every = 1, bool statistics = true)
    {
        (Decay, Every) = (s_decay.Check(Declared.Kind, decay), s_every.Check(Declared.Kind, every));
        AveragesStatistics = statistics;
    }

    /// <inheritdoc/>
    public override Declaration<WeightAveraging> Declaration => Declared;

    /// <summary>d, the decay of the average.</summary>
    public double Decay { get; }

    /// <summary>The number of steps between averages.</summary>
    public int Every { get; }

    /// <inheritdoc/>
    public override bool AveragesStatistics { get; }

    /// <inheritdoc/>
    public override bool IsDue(in SchedulePoint point) => (point.Step + 1) % Every == 0;

    /// <inheritdoc/>
    public override double Share(long count) => 1 - Decay;
}

/// <summary>Stochastic weight averaging (SWA): the mean of the weights at the ends of epochs, from a given part of the
/// training on.</summary>
/// <remarks>
/// Running statistics are estimated anew for the averaged weights at the end of the training. The learning rate is
/// usually constant from <see cref="Start"/> on. Source: Izmailov et al., "Averaging weights leads to wider optima and
/// better generalization", UAI 2018. PyTorch: swa_utils.AveragedModel.
/// </remarks>
public sealed record StochasticAveraging : WeightAveraging
{
    private static readonly AttributeDeclaration<double> s_start = AttributeDeclaration.Number<StochasticAveraging>(
        "start", averaging => averaging.Start, NumberInterval.BelowOne, 0.75,
        "Fraction of the training after which averaging begins");

    private static readonly AttributeDeclaration<int> s_every = AttributeDeclaration.Integer<StochasticAveraging>(
        "every", averaging => averaging.Every, 1, summary: "Number of epochs between averages");

    /// <summary>The declaration for files and commands.</summary>
    public static Declaration<WeightAveraging> Declared { get; } = new("swa", "mean of the weights of the last epochs",
        [s_start, s_every], values => new StochasticAveraging(values.Get(s_start), values.Get(s_every)));

    /// <summary>Creates the averaging.</summary>
    /// <param name="start">The fraction of the training after which averaging begins, in [0, 1).</param>
    /// <param name="every">The number of epochs between averages, from 1, counted from the end.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public StochasticAveraging(double start = 0.75, int every = 1)
        => (Start, Every) = (s_start.Check(Declared.Kind, start), s_every.Check(Declared.Kind, every));

    /// <inheritdoc/>
    public override Declaration<WeightAveraging> Declaration => Declared;

    /// <summary>The fraction of the training after which averaging begins.</summary>
    public double Start { get; }

    /// <summary>The number of epochs between averages.</summary>
    public int Every { get; }

    /// <inheritdoc/>
    public override bool ReestimatesStatistics => true;

    /// <inheritdoc/>
    public override bool IsDue(in SchedulePoint point)
    {
        long done = point.Step + 1;
        return (point.Steps - done) % (Every * point.StepsPerEpoch) == 0 && done > Start * point.Steps;
    }

    /// <inheritdoc/>
    public override double Share(long count) => 1.0 / (count + 1);
}
