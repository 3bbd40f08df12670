namespace ConvNet;

/// <summary>An elementwise, monotonically non-decreasing function y = f(x) whose derivative is a function of
/// y.</summary>
/// <remarks>
/// Backward: dx = f′·dy, computed from y alone. A backend can therefore apply the activation as part of the layer
/// before it, which then keeps only y, and behind a max pool it can compute f′ from the pooled values. y and dx have
/// the shape of x. A NaN stays a NaN.
/// </remarks>
public abstract record FusableActivation : Layer
{
    /// <inheritdoc/>
    public sealed override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    /// <inheritdoc/>
    public override Accuracy Accuracy => Accuracy.Moves;

    /// <inheritdoc/>
    public sealed override BackwardReads BackwardReads => BackwardReads.Output;

    /// <summary>The values of x at which the derivative jumps; empty for a smooth function.</summary>
    protected abstract IReadOnlyList<double> KinkPositions { get; }

    /// <inheritdoc/>
    public sealed override IEnumerable<Kink> Kinks(IReadOnlyList<double[]> x, params IReadOnlyList<Shape> inputs)
    {
        IReadOnlyList<double> positions = KinkPositions;
        return positions.Count == 0 ? []
            : x[0].Select(value => new Kink(positions.Min(position => Math.Abs(value - position))));
    }
}
