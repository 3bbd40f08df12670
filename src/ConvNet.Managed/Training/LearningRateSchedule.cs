namespace ConvNet.Training;

/// <summary>How the learning rate goes on from its initial value.</summary>
public abstract record LearningRateSchedule
{
    /// <summary>The learning rate of one step.</summary>
    /// <param name="initial">α of the first step.</param>
    /// <param name="step">The step, from 0.</param>
    /// <param name="steps">The number of steps of the whole training.</param>
    public abstract float Rate(float initial, long step, long steps);
}

/// <summary>The same learning rate throughout.</summary>
public sealed record ConstantSchedule : LearningRateSchedule
{
    /// <inheritdoc/>
    public override float Rate(float initial, long step, long steps) => initial;
}

/// <summary>Half a cosine from the initial rate towards 0: α_t = α·(1 + cos(π·t / T)) / 2 at step t of T.</summary>
/// <remarks>Source: Loshchilov and Hutter, ICLR 2017, without restarts.</remarks>
public sealed record CosineSchedule : LearningRateSchedule
{
    /// <inheritdoc/>
    public override float Rate(float initial, long step, long steps)
        => (float)(initial * (1 + Math.Cos(Math.PI * step / steps)) / 2);
}
