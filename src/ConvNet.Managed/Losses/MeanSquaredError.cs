namespace ConvNet;

/// <summary>Mean squared error over all values of the output: mean of (y − t)².</summary>
/// <remarks>
/// Gradient: 2·w_n·(y − t) / (Σ w · C·H·W). Targets: N×C×H×W values. Sample weights weigh the mean of each sample.
/// </remarks>
public sealed record MeanSquaredError : Loss
{
    /// <summary>The declaration by which files and commands identify the loss.</summary>
    public static Declaration<Loss> Declared { get; } = new("mse", "mean squared error", [],
        _ => new MeanSquaredError());

    /// <inheritdoc/>
    public override Declaration<Loss> Declaration => Declared;

    /// <inheritdoc/>
    public override TargetKind Takes => TargetKind.Values;

    /// <inheritdoc/>
    public override T Evaluate<T>(in LossFrame<T> f)
    {
        int length = f.Output.Length;
        BlockedSum<T> total = default;
        T share = T.One / (f.TotalWeight * T.CreateChecked(length)), two = T.CreateChecked(2);
        for (int n = 0; n < f.N; n++)
        {
            T weight = f.Weight(n);
            for (int i = n * length; i < (n + 1) * length; i++)
            {
                T distance = f.Y[i] - T.CreateChecked(f.Targets.Values[i]);
                total.Add(weight * (distance * distance));
                f.DY[i] = two * distance * (weight * share);
            }
        }
        return total.Value * share;
    }
}
