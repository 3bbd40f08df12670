using System.Numerics;
using static System.FormattableString;

namespace ConvNet;

/// <summary>An optimiser that updates every value from its own gradient and state only.</summary>
/// <remarks>
/// A backend may pass any part of a parameter, in any order and with zeros between the values. The rule must leave a
/// value zero if its weight, gradient and state are zero.
/// </remarks>
public abstract record ElementwiseOptimizer : Optimizer
{
    /// <summary>Initialises the options that all optimisers have.</summary>
    /// <param name="weightDecay">The weight decay λ of parameters whose group does not specify one.</param>
    /// <exception cref="ArgumentOutOfRangeException">The weight decay is negative or not finite.</exception>
    protected ElementwiseOptimizer(float weightDecay = 0)
        : base(weightDecay)
    {
    }

    /// <summary>Updates some values.</summary>
    /// <param name="context">The step.</param>
    /// <param name="g">The gradients of the values.</param>
    /// <param name="w">The values to update.</param>
    /// <param name="state">The state to update: one span for each of <see cref="Optimizer.StateNames"/>.</param>
    public abstract void Update<T>(in UpdateContext context, ReadOnlySpan<T> g, Span<T> w, StateSpans<T> state)
        where T : unmanaged, IFloatingPointIeee754<T>;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The rule changes a zero weight whose gradient and state are
    /// zero.</exception>
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
                    Invariant($"{GetType().Name} updates a weight of 0 whose gradient and state are 0 to {values[0]}, ")
                    + Invariant($"and its state to [{string.Join(", ", state.ToArray())}]. An elementwise rule must ")
                    + "preserve zeros; a rule that does not must derive from WholeParameterOptimizer.");
        }
    }

    /// <inheritdoc/>
    internal sealed override bool IsElementwise => true;

    /// <inheritdoc/>
    internal sealed override void Move<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state) => Update(context, g, w, state);
}
