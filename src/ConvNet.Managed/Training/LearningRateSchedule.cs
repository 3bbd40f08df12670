using System.Text;

namespace ConvNet.Training;

/// <summary>A schedule of the learning rate over the steps of a training.</summary>
public abstract record LearningRateSchedule
{
    /// <summary>All schedules of this library.</summary>
    public static KindSet<LearningRateSchedule> BuiltIn { get; } = new("schedule", CosineSchedule.Declared,
        ConstantSchedule.Declared);

    /// <summary>The declaration of the schedule for files and commands; null if it has none.</summary>
    public virtual Declaration<LearningRateSchedule>? Declaration => null;

    /// <summary>Returns the learning rate of one step.</summary>
    /// <param name="initial">α, the learning rate of the first step.</param>
    /// <param name="step">The step, from 0.</param>
    /// <param name="steps">The total number of steps of the training.</param>
    public abstract float Rate(float initial, long step, long steps);

    /// <summary>Excludes all members; derived records print only their own.</summary>
    protected virtual bool PrintMembers(StringBuilder builder) => false;
}

/// <summary>A constant learning rate.</summary>
public sealed record ConstantSchedule : LearningRateSchedule
{
    /// <summary>The declaration of the schedule for files and commands.</summary>
    public static Declaration<LearningRateSchedule> Declared { get; } = new("constant",
        "the learning rate does not change", [], _ => new ConstantSchedule());

    /// <inheritdoc/>
    public override Declaration<LearningRateSchedule> Declaration => Declared;

    /// <inheritdoc/>
    public override float Rate(float initial, long step, long steps) => initial;
}

/// <summary>Cosine decay from the initial rate towards 0: α_t = α·(1 + cos(π·t / T)) / 2 at step t of T.</summary>
/// <remarks>Source: Loshchilov and Hutter, ICLR 2017, without restarts.</remarks>
public sealed record CosineSchedule : LearningRateSchedule
{
    /// <summary>The declaration of the schedule for files and commands.</summary>
    public static Declaration<LearningRateSchedule> Declared { get; } = new("cosine",
        "the learning rate falls to 0 along half a cosine wave", [], _ => new CosineSchedule());

    /// <inheritdoc/>
    public override Declaration<LearningRateSchedule> Declaration => Declared;

    /// <inheritdoc/>
    public override float Rate(float initial, long step, long steps)
        => (float)(initial * (1 + Math.Cos(Math.PI * step / steps)) / 2);
}
