using System.Numerics;
using static System.FormattableString;

namespace ConvNet;

/// <summary>An optimiser that moves every value by its own gradient and state, and knows of no others.</summary>
/// <remarks>
/// A backend may give it any part of a parameter, in any order, with zeros between the values: where weight, gradient
/// and state are zero the rule must leave them zero.
/// </remarks>
public abstract record ElementwiseOptimizer : Optimizer
{
    /// <inheritdoc cref="Optimizer(float)"/>
    protected ElementwiseOptimizer(float weightDecay = 0)
        : base(weightDecay)
    {
    }

    /// <summary>Moves some values.</summary>
    /// <param name="context">The step.</param>
    /// <param name="g">Their gradients.</param>
    /// <param name="w">The values, changed.</param>
    /// <param name="state">Their state, changed: a span for each of <see cref="Optimizer.StateNames"/>.</param>
    public abstract void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
        where T : unmanaged, IFloatingPointIeee754<T>;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The rule moves a zero weight whose gradient and state are zero.</exception>
    public override void CheckFor(Graph graph)
    {
        base.CheckFor(graph);
        int count = StateNames.Count;
        Span<float> values = stackalloc float[1], state = new float[count];
        for (long step = 1; step <= 2; step++)
        {
            Update<float>(new UpdateContext(step, 1, WeightDecay), [0], values, new StateSpans<float>(state, count));
            if (values[0] != 0 || state.ContainsAnyExcept(0f))
                throw new ArgumentException(
                    Invariant($"{GetType().Name} moves a weight of 0 whose gradient and state are 0 to {values[0]}, ")
                    + Invariant($"its state to [{string.Join(", ", state.ToArray())}]. An elementwise rule must leave ")
                    + "zeros as they are; derive from WholeParameterOptimizer where they move.");
        }
    }

    /// <inheritdoc/>
    internal sealed override void Move<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state) => Update(context, g, w, state);
}
