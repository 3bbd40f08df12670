using System.Numerics;

namespace ConvNet;

/// <summary>A loss: the mean over a batch, and its gradient with respect to the scores.</summary>
/// <remarks>Scores are N×K. The mean divides by the samples that are there, so a smaller last batch is no special case.</remarks>
public abstract record Loss
{
    /// <summary>True when it takes one class label per sample, false when it takes one target per score.</summary>
    public virtual bool TakesLabels => true;

    /// <summary>The mean loss of a batch with class labels; writes the gradient of the scores.</summary>
    /// <param name="scores">N×K.</param>
    /// <param name="labels">N classes, from 0 to K − 1.</param>
    /// <param name="gradient">N×K, overwritten.</param>
    public virtual T Evaluate<T>(ReadOnlySpan<T> scores, ReadOnlySpan<int> labels, Span<T> gradient) where T : unmanaged, IFloatingPointIeee754<T>
        => throw new NotSupportedException($"{GetType().Name} takes float targets, not labels.");

    /// <summary>The mean loss of a batch with targets; writes the gradient of the scores.</summary>
    /// <param name="scores">N×K.</param>
    /// <param name="targets">N×K.</param>
    /// <param name="gradient">N×K, overwritten.</param>
    public virtual T Evaluate<T>(ReadOnlySpan<T> scores, ReadOnlySpan<float> targets, Span<T> gradient) where T : unmanaged, IFloatingPointIeee754<T>
        => throw new NotSupportedException($"{GetType().Name} takes labels, not float targets.");
}

/// <summary>Softmax cross-entropy: the mean over the batch of −log softmax(s)_y.</summary>
/// <remarks>
/// Computed as log Σ_j exp(s_j − m) − (s_y − m) with m the largest score. Gradient: (softmax(s)_j − [j = y]) / N.
/// Labels: N class numbers.
/// </remarks>
public sealed record SoftmaxCrossEntropy : Loss
{
    /// <inheritdoc/>
    public override T Evaluate<T>(ReadOnlySpan<T> scores, ReadOnlySpan<int> labels, Span<T> gradient)
    {
        int classes = scores.Length / labels.Length;
        BlockedSum<T> total = default;
        T share = T.One / T.CreateChecked(labels.Length);
        for (int n = 0; n < labels.Length; n++)
        {
            ReadOnlySpan<T> s = scores.Slice(n * classes, classes);
            Span<T> ds = gradient.Slice(n * classes, classes);
            T largest = s[0];
            BlockedSum<T> exponentials = default;
            foreach (T score in s)
                largest = score > largest || T.IsNaN(score) ? score : largest;
            for (int j = 0; j < classes; j++)
                exponentials.Add(ds[j] = T.Exp(s[j] - largest));
            T sum = exponentials.Value;
            for (int j = 0; j < classes; j++)
                ds[j] = (ds[j] / sum - (j == labels[n] ? T.One : T.Zero)) * share;
            total.Add(T.Log(sum) - (s[labels[n]] - largest));
        }
        return total.Value * share;
    }
}

/// <summary>Multi-class support vector machine (hinge): the mean over the batch of Σ_{j≠y} max(0, s_j − s_y + Δ).</summary>
/// <remarks>
/// Gradient: 1/N for every j ≠ y with a positive margin, minus their number for y; 0 at the hinge itself.
/// Labels: N class numbers. Source: Weston and Watkins, ESANN 1999.
/// </remarks>
/// <param name="Margin">Δ, a finite number.</param>
/// <exception cref="ArgumentOutOfRangeException">The margin is not finite.</exception>
public sealed record MulticlassSvm(float Margin = 1f) : Loss
{
    /// <summary>Δ, a finite number.</summary>
    public float Margin { get; init; } = float.IsFinite(Margin)
        ? Margin
        : throw new ArgumentOutOfRangeException(nameof(Margin),
            $"A margin of {Margin} gives every batch the same loss; give a finite number.");

    /// <inheritdoc/>
    public override T Evaluate<T>(ReadOnlySpan<T> scores, ReadOnlySpan<int> labels, Span<T> gradient)
    {
        int classes = scores.Length / labels.Length;
        BlockedSum<T> total = default;
        T share = T.One / T.CreateChecked(labels.Length), delta = T.CreateChecked(Margin);
        for (int n = 0; n < labels.Length; n++)
        {
            ReadOnlySpan<T> s = scores.Slice(n * classes, classes);
            Span<T> ds = gradient.Slice(n * classes, classes);
            int y = labels[n], above = 0;
            for (int j = 0; j < classes; j++)
            {
                if (j == y)
                    continue;
                T margin = s[j] - s[y] + delta;
                bool inside = margin <= T.Zero;      // a NaN is not: it must reach the loss
                if (!inside)
                    total.Add(margin);
                above += inside ? 0 : 1;
                ds[j] = inside ? T.Zero : share;
            }
            ds[y] = -T.CreateChecked(above) * share;
        }
        return total.Value * share;
    }
}

/// <summary>Mean squared error over all N·K values: mean of (s − t)².</summary>
/// <remarks>Gradient: 2·(s − t) / (N·K). Targets: N×K values.</remarks>
public sealed record MeanSquaredError : Loss
{
    /// <inheritdoc/>
    public override bool TakesLabels => false;

    /// <inheritdoc/>
    public override T Evaluate<T>(ReadOnlySpan<T> scores, ReadOnlySpan<float> targets, Span<T> gradient)
    {
        BlockedSum<T> total = default;
        T share = T.One / T.CreateChecked(scores.Length), two = T.CreateChecked(2);
        for (int i = 0; i < scores.Length; i++)
        {
            T distance = scores[i] - T.CreateChecked(targets[i]);
            total.Add(distance * distance);
            gradient[i] = two * distance * share;
        }
        return total.Value * share;
    }
}
