using System.Text;

namespace ConvNet.Training;

/// <summary>A schedule of the learning rate over the steps of a training.</summary>
/// <remarks>
/// A schedule is a function of the step and of the results of the epochs before it; it has no state of its own.
/// Whatever
/// it depends on is in the <see cref="TrainingProgress"/>, so that a resumed training has the same learning rates.
/// </remarks>
public abstract record LearningRateSchedule
{
    /// <summary>All schedules of this library.</summary>
    /// <remarks><see cref="SequentialSchedule"/> is not in the set, because it is made of others. Files contain
    /// it.</remarks>
    public static KindSet<LearningRateSchedule> BuiltIn { get; } = new("schedule", CosineSchedule.Declared,
        ConstantSchedule.Declared, StepSchedule.Declared, MultiStepSchedule.Declared, ExponentialSchedule.Declared,
        PolynomialSchedule.Declared, LinearSchedule.Declared, CosineRestartsSchedule.Declared,
        OneCycleSchedule.Declared, PlateauSchedule.Declared);

    /// <summary>The declaration of the schedule for files and commands; null if it has none.</summary>
    public virtual Declaration<LearningRateSchedule>? Declaration => null;

    /// <summary>What the schedule reads of the results of each epoch; null if nothing.</summary>
    public virtual EpochMetric? Metric => null;

    /// <summary>Returns the learning rate of one step.</summary>
    /// <param name="initial">α, the learning rate of the training.</param>
    /// <param name="point">The step, and what is known before it.</param>
    public abstract double Rate(double initial, in SchedulePoint point);

    /// <summary>Excludes all members; derived records print only their own.</summary>
    protected virtual bool PrintMembers(StringBuilder builder) => false;
}

/// <summary>A result of an epoch that a schedule or the end of a training follows.</summary>
public enum EpochMetric
{
    /// <summary>The mean loss over the training samples of the epoch, which should fall.</summary>
    Loss,

    /// <summary>The accuracy over the test samples after the epoch, which should rise.</summary>
    TestAccuracy,

    /// <summary>The loss over the test samples after the epoch (<see cref="EpochReport.TestLoss"/>), which should
    /// fall.</summary>
    TestLoss,
}

/// <summary>A place in a training at which a schedule is asked for the learning rate.</summary>
/// <param name="Step">The step, from 0.</param>
/// <param name="Steps">The total number of steps.</param>
/// <param name="StepsPerEpoch">The number of steps of an epoch.</param>
public readonly record struct SchedulePoint(long Step, long Steps, long StepsPerEpoch)
{
    private readonly IReadOnlyList<EpochResult>? _results;

    /// <summary>The results of the epochs before the step, in order.</summary>
    public IReadOnlyList<EpochResult> Results
    {
        get => _results ?? [];
        init => _results = value;
    }

    /// <summary>Returns the time since the start in epochs, with fractions, or in steps.</summary>
    /// <param name="unit">The unit.</param>
    public double Time(ScheduleUnit unit) => unit == ScheduleUnit.Steps ? Step : (double)Step / StepsPerEpoch;

    /// <summary>Returns the fraction of a length that has passed, at most 1.</summary>
    /// <param name="length">The length; 0 for the whole training.</param>
    /// <param name="unit">The unit of the length.</param>
    public double Passed(int length, ScheduleUnit unit)
        => length == 0 ? (double)Step / Steps : Math.Min(1, Time(unit) / length);

    /// <summary>Returns the same place as seen from a section of the training.</summary>
    /// <param name="start">The first step of the section.</param>
    /// <param name="end">The step after its last one.</param>
    internal SchedulePoint Within(long start, long end)
    {
        // The results of epochs that began before the section do not belong to it.
        int before = (int)Math.Min(Results.Count, (start + StepsPerEpoch - 1) / StepsPerEpoch);
        return new(Step - start, end - start, StepsPerEpoch) { Results = [.. Results.Skip(before)] };
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(SchedulePoint), (nameof(Step), Step),
        (nameof(Steps), Steps), (nameof(StepsPerEpoch), StepsPerEpoch), (nameof(Results), Results));
}

/// <summary>The unit in which a schedule counts.</summary>
public enum ScheduleUnit
{
    /// <summary>Epochs.</summary>
    Epochs,

    /// <summary>Training steps, each with one batch.</summary>
    Steps,
}

/// <summary>Declarations that several schedules share.</summary>
internal static class ScheduleAttributes
{
    /// <summary>Declares the unit in which a schedule counts.</summary>
    public static AttributeDeclaration<ScheduleUnit> Unit<T>(Func<T, ScheduleUnit> get)
        => AttributeDeclaration.Choice("unit", get,
            [("epochs", ScheduleUnit.Epochs), ("steps", ScheduleUnit.Steps)], ScheduleUnit.Epochs,
            summary: "Unit in which the schedule counts");

    /// <summary>Declares the length of a schedule.</summary>
    public static AttributeDeclaration<int> Length<T>(Func<T, int> get, int otherwise = 0, int least = 0)
        => AttributeDeclaration.Integer("length", get, otherwise, least, summary: "Length of the schedule"
            + (least == 0 ? "; 0 for the whole training" : ""));

    /// <summary>Declares the factor by which a schedule multiplies the learning rate.</summary>
    public static AttributeDeclaration<double> Factor<T>(Func<T, double> get, double otherwise)
        => AttributeDeclaration.Number("factor", get, new NumberInterval(0, 1, HasLeast: false, HasMost: true),
            otherwise, "Factor by which the learning rate is multiplied");

    /// <summary>Declares the smallest learning rate of a schedule.</summary>
    public static AttributeDeclaration<double> Minimum<T>(Func<T, double> get)
        => AttributeDeclaration.Number("minimum", get, NumberInterval.FromZero, 0.0, "Smallest learning rate");
}
