using System.Numerics;

namespace ConvNet;

/// <summary>An optimiser whose rule needs all values of a parameter at once, for example to compute their
/// norm.</summary>
public abstract record WholeParameterOptimizer : Optimizer
{
    /// <summary>Initialises the options that all optimisers have.</summary>
    /// <param name="weightDecay">The weight decay λ of parameters whose group does not specify one.</param>
    /// <exception cref="ArgumentOutOfRangeException">The weight decay is negative or not finite.</exception>
    protected WholeParameterOptimizer(float weightDecay = 0)
        : base(weightDecay)
    {
    }

    /// <summary>Updates one parameter.</summary>
    /// <param name="context">The step.</param>
    /// <param name="parameter">The parameter, which gives its role and dimensions.</param>
    /// <param name="g">The gradient, in the order of the parameter's dimensions.</param>
    /// <param name="w">The values to update.</param>
    /// <param name="state">The state to update: one span for each of <see cref="Optimizer.StateNames"/>.</param>
    public abstract void Update<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state)
        where T : unmanaged, IFloatingPointIeee754<T>;

    /// <inheritdoc/>
    internal sealed override bool IsElementwise => false;

    /// <inheritdoc/>
    internal sealed override void Move<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state) => Update(context, parameter, g, w, state);
}
