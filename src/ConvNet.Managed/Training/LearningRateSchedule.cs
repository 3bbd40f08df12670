using System.Text;

namespace ConvNet.Training;

/// <summary>How the learning rate goes on from its initial value.</summary>
public abstract record LearningRateSchedule
{
    /// <summary>Every schedule of this library.</summary>
    public static KindSet<LearningRateSchedule> BuiltIn { get; } = new("schedule", CosineSchedule.Declared,
        ConstantSchedule.Declared);

    /// <summary>The schedule as files and commands know it; null where they do not.</summary>
    public virtual Declaration<LearningRateSchedule>? Declaration => null;

    /// <summary>The learning rate of one step.</summary>
    /// <param name="initial">α of the first step.</param>
    /// <param name="step">The step, from 0.</param>
    /// <param name="steps">The number of steps of the whole training.</param>
    public abstract float Rate(float initial, long step, long steps);

    /// <summary>Derived records print their own members alone.</summary>
    protected virtual bool PrintMembers(StringBuilder builder) => false;
}

/// <summary>The same learning rate throughout.</summary>
public sealed record ConstantSchedule : LearningRateSchedule
{
    /// <summary>The schedule as files and commands know it.</summary>
    public static Declaration<LearningRateSchedule> Declared { get; } = new("constant", "the same rate throughout", [],
        _ => new ConstantSchedule());

    /// <inheritdoc/>
    public override Declaration<LearningRateSchedule> Declaration => Declared;

    /// <inheritdoc/>
    public override float Rate(float initial, long step, long steps) => initial;
}

/// <summary>Half a cosine from the initial rate towards 0: α_t = α·(1 + cos(π·t / T)) / 2 at step t of T.</summary>
/// <remarks>Source: Loshchilov and Hutter, ICLR 2017, without restarts.</remarks>
public sealed record CosineSchedule : LearningRateSchedule
{
    /// <summary>The schedule as files and commands know it.</summary>
    public static Declaration<LearningRateSchedule> Declared { get; } = new("cosine",
        "the rate falls to 0 along half a cosine", [], _ => new CosineSchedule());

    /// <inheritdoc/>
    public override Declaration<LearningRateSchedule> Declaration => Declared;

    /// <inheritdoc/>
    public override float Rate(float initial, long step, long steps)
        => (float)(initial * (1 + Math.Cos(Math.PI * step / steps)) / 2);
}
