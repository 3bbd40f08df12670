using System.Numerics;

namespace ConvNet;

/// <summary>An optimiser whose rule needs all values of a parameter at once, as for their norm.</summary>
public abstract record WholeParameterOptimizer : Optimizer
{
    /// <inheritdoc cref="Optimizer(float)"/>
    protected WholeParameterOptimizer(float weightDecay = 0)
        : base(weightDecay)
    {
    }

    /// <summary>Moves one parameter.</summary>
    /// <param name="context">The step.</param>
    /// <param name="parameter">The parameter: its role and dimensions.</param>
    /// <param name="g">Its gradient, in the order of its dimensions.</param>
    /// <param name="w">Its values, changed.</param>
    /// <param name="state">Its state, changed: a span for each of <see cref="Optimizer.StateNames"/>.</param>
    public abstract void Update<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state)
        where T : unmanaged, IFloatingPointIeee754<T>;

    /// <inheritdoc/>
    internal sealed override void Move<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state) => Update(context, parameter, g, w, state);
}
