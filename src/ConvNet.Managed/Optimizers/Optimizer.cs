using System.Numerics;
using static System.FormattableString;

namespace ConvNet;

/// <summary>An optimiser: the rule by which a step updates parameters from their gradients, and its state.</summary>
/// <remarks>
/// Derive a rule from <see cref="ElementwiseOptimizer"/> if every value is updated from its own gradient and state, or
/// from <see cref="WholeParameterOptimizer"/> if the rule needs all values of a parameter at once, for example to
/// compute their norm.
/// </remarks>
public abstract record Optimizer
{
    private readonly IReadOnlyList<ParameterGroup> _groups = [];

    /// <summary>Initialises the options that all optimisers have.</summary>
    /// <param name="weightDecay">The weight decay λ of parameters whose group does not specify one.</param>
    /// <exception cref="ArgumentOutOfRangeException">The weight decay is negative or not finite.</exception>
    private protected Optimizer(float weightDecay) => WeightDecay = CheckedDecay(weightDecay, nameof(weightDecay));

    /// <summary>The weight decay λ of parameters whose group does not specify one.</summary>
    public float WeightDecay { get; }

    /// <summary>Groups of parameters with their own learning-rate factor or weight decay.</summary>
    /// <remarks>A parameter belongs to the first group that matches its name.</remarks>
    /// <exception cref="ArgumentNullException"><paramref name="value"/> is null.</exception>
    /// <exception cref="ArgumentException">A group is null.</exception>
    public IReadOnlyList<ParameterGroup> Groups
    {
        get => _groups;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            _groups = [.. value];
            if (_groups.Contains(null!))
                throw new ArgumentException("A parameter group is null. Remove it.", nameof(value));
        }
    }

    /// <summary>The name in files and commands; the name of the type if there is no declaration.</summary>
    internal string Kind => Declaration?.Kind ?? GetType().Name;

    /// <summary>The declaration by which files and commands identify the optimiser; null if it has none.</summary>
    public virtual OptimizerDeclaration? Declaration => null;

    /// <summary>The names of the state components that the rule keeps for each value of a parameter.</summary>
    /// <remarks>The names are those of PyTorch. All state is zero before the first step.</remarks>
    public abstract IReadOnlyList<string> StateNames { get; }

    /// <summary>Gets the options of a parameter.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <exception cref="ArgumentNullException"><paramref name="parameter"/> is null.</exception>
    public ParameterOptions OptionsOf(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        ParameterGroup? group = GroupOf(parameter);
        return new ParameterOptions(group?.LearningRateFactor ?? 1, group?.WeightDecay ?? WeightDecay)
        {
            Fallback = group?.Fallback ?? false,
        };
    }

    /// <summary>Gets the group to which a parameter belongs; null if it belongs to none.</summary>
    /// <param name="parameter">The parameter.</param>
    internal ParameterGroup? GroupOf(Parameter parameter)
        => Groups.FirstOrDefault(group => group.Matches(parameter.Name));

    /// <summary>Throws unless the optimiser fits a graph that is compiled with it.</summary>
    /// <param name="graph">The graph.</param>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> is null.</exception>
    /// <exception cref="ArgumentException">
    /// A pattern of a group matches no trainable parameter, or only parameters of preceding groups; the message
    /// suggests similar names. Or a group asks for a fallback rule that the optimiser does not have.
    /// </exception>
    public virtual void CheckFor(Graph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        if (!HasFallback && Groups.FirstOrDefault(group => group.Fallback) is { } group)
            throw new ArgumentException($"The parameter group of {string.Join(", ", group.Patterns)} asks for a "
                + $"fallback rule, but {Kind} has one rule for all parameters. Set {nameof(ParameterGroup.Fallback)} "
                + "only with an optimiser for matrices, such as muon.");
        var taken = new HashSet<Parameter>();
        foreach (ParameterGroup each in Groups)
        {
            foreach (string pattern in each.Patterns)
                CheckPattern(graph, pattern, taken);
            taken.UnionWith(graph.Parameters.Where(p => each.Matches(p.Name)));
        }
    }

    /// <summary>Updates a whole parameter, whatever kind of rule the optimiser is. A backend calls it for rules that it
    /// has no code of its own for.</summary>
    /// <param name="context">The step, with the options of the parameter (<see cref="OptionsOf"/>).</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="g">The gradient, in the order of the parameter's dimensions.</param>
    /// <param name="w">The values to update.</param>
    /// <param name="state">The state to update, in the order of <see cref="StateNames"/>.</param>
    /// <typeparam name="T">float or double.</typeparam>
    /// <exception cref="ArgumentNullException"><paramref name="parameter"/> is null.</exception>
    /// <exception cref="ArgumentException">The gradient or the values have another length than the parameter, or the
    /// state is not that of the rule.</exception>
    public void Apply<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        ArgumentNullException.ThrowIfNull(parameter);
        if (g.Length != parameter.Length || w.Length != parameter.Length)
            throw new ArgumentException($"{parameter} has {parameter.Length} values, but {g.Length} gradients and "
                + $"{w.Length} values were passed.", nameof(w));
        if (state.Count != StateNames.Count)
            throw new ArgumentException($"{GetType().Name} has {StateNames.Count} states of each value, but "
                + $"{state.Count} were passed.", nameof(state));
        Move(context, parameter, g, w, state);
    }

    /// <summary>Updates a parameter, or a part of it if the rule is elementwise.</summary>
    /// <param name="context">The step.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="g">The gradient.</param>
    /// <param name="w">The values to update.</param>
    /// <param name="state">The state to update.</param>
    internal abstract void Move<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state)
        where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Whether a part of a parameter may be updated by itself, with zeros between its values.</summary>
    internal abstract bool IsElementwise { get; }

    /// <summary>Whether the rule has another one for the parameters that it is not made for.</summary>
    internal virtual bool HasFallback => false;

    /// <summary>Whether the rule may throw in the middle of a step, because it is not part of this library.</summary>
    internal virtual bool MayThrow => GetType().Assembly != typeof(Optimizer).Assembly;

    /// <summary>The largest error of a float32 update of a parameter, relative to the largest value of the exact
    /// update; null if following the errors of the single operations gives a useful bound.</summary>
    /// <param name="context">The step.</param>
    /// <param name="parameter">The parameter.</param>
    internal virtual double? NormwiseError(in UpdateContext context, Parameter parameter) => null;

    /// <summary>Validates a weight decay and returns it.</summary>
    internal static float CheckedDecay(float weightDecay, string name)
        => NumberInterval.FromZero.Contains(weightDecay)
        ? weightDecay
        : throw new ArgumentOutOfRangeException(name,
            Invariant($"The weight decay is {weightDecay}; it must be a finite number of at least 0."));

    private static void CheckPattern(Graph graph, string pattern, HashSet<Parameter> taken)
    {
        Parameter[] matching = [.. graph.Parameters.Where(p => ParameterGroup.Matches(pattern, p.Name))];
        if (matching.Length == 0)
            throw new ArgumentException(
                $"The pattern \"{pattern}\" of a parameter group matches no parameter of the graph; "
                + ParameterGroup.ThereAre(pattern, [.. graph.Parameters.Where(p => p.Trainable)]));
        if (matching.All(p => !p.Trainable))
            throw new ArgumentException(
                $"The pattern \"{pattern}\" of a parameter group matches only the buffer {matching[0].Name}, which no "
                + "optimiser updates. Remove it.");
        if (matching.All(taken.Contains))
            throw new ArgumentException(
                $"The pattern \"{pattern}\" of a parameter group matches only parameters that belong to an earlier "
                + "group. "
                + "A parameter belongs to the first group that matches it: move this group before the others.");
    }
}
