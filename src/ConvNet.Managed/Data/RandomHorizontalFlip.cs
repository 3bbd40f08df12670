namespace ConvNet.Data;

/// <summary>Mirrors an image, left to right, with probability p.</summary>
public sealed record RandomHorizontalFlip : Transform
{
    /// <summary>Describes the flip.</summary>
    /// <param name="probability">p, in [0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException">p is not in [0, 1].</exception>
    public RandomHorizontalFlip(double probability = 0.5)
    {
        if (probability is not (>= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(probability),
                FormattableString.Invariant($"A flip of probability {probability} is none; give one in [0, 1]."));
        Probability = probability;
    }

    /// <summary>p.</summary>
    public double Probability { get; }

    /// <inheritdoc/>
    public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
    {
        ArgumentNullException.ThrowIfNull(random);
        x.CopyTo(y);
        if (!random.Chance(Probability))
            return;
        for (int row = 0; row < y.Length; row += shape.W)
            y.Slice(row, shape.W).Reverse();
    }
}
