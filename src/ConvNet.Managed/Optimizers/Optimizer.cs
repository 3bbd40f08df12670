using System.Numerics;
using static System.FormattableString;

namespace ConvNet;

/// <summary>An optimiser: the rule by which a step moves parameters against their gradients, and its state.</summary>
/// <remarks>
/// A rule derives from <see cref="ElementwiseOptimizer"/> where every value moves by its own gradient and state, or
/// from <see cref="WholeParameterOptimizer"/> where it needs all values of a parameter at once, as for their norm.
/// </remarks>
public abstract record Optimizer
{
    private readonly IReadOnlyList<ParameterGroup> _groups = [];

    /// <summary>Describes what all optimisers have.</summary>
    /// <param name="weightDecay">λ of the parameters whose group has none of its own.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is negative or not finite.</exception>
    private protected Optimizer(float weightDecay) => WeightDecay = CheckedDecay(weightDecay, nameof(weightDecay));

    /// <summary>λ of the parameters whose group has none of its own.</summary>
    public float WeightDecay { get; }

    /// <summary>Parameters with a learning-rate factor or a weight decay of their own.</summary>
    /// <remarks>A parameter belongs to the first group that its name matches.</remarks>
    /// <exception cref="ArgumentException">A group is null.</exception>
    public IReadOnlyList<ParameterGroup> Groups
    {
        get => _groups;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            _groups = [.. value];
            if (_groups.Contains(null!))
                throw new ArgumentException("A parameter group is null; leave it out.", nameof(value));
        }
    }

    /// <summary>The name in files and commands; that of the type where it has no declaration.</summary>
    internal string Kind => Declaration?.Kind ?? GetType().Name;

    /// <summary>The optimiser as files and commands know it; null where they do not.</summary>
    public virtual OptimizerDeclaration? Declaration => null;

    /// <summary>The names of the values of state that the rule keeps for each value of a parameter.</summary>
    /// <remarks>They are PyTorch's names. All state is zero before the first step.</remarks>
    public abstract IReadOnlyList<string> StateNames { get; }

    /// <summary>The options of a parameter.</summary>
    /// <param name="parameter">The parameter.</param>
    public ParameterOptions OptionsOf(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        ParameterGroup? group = GroupOf(parameter);
        return new ParameterOptions(group?.LearningRateFactor ?? 1, group?.WeightDecay ?? WeightDecay);
    }

    /// <summary>The group that a parameter belongs to; null if it belongs to none.</summary>
    /// <param name="parameter">The parameter.</param>
    internal ParameterGroup? GroupOf(Parameter parameter)
        => Groups.FirstOrDefault(group => group.Matches(parameter.Name));

    /// <summary>Throws unless the optimiser fits a graph that is compiled with it.</summary>
    /// <param name="graph">The graph.</param>
    /// <exception cref="ArgumentException">
    /// A group has a pattern that matches no trainable parameter, or only those of groups before it; the message names
    /// what is close.
    /// </exception>
    public virtual void CheckFor(Graph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        var taken = new HashSet<Parameter>();
        foreach (ParameterGroup group in Groups)
        {
            foreach (string pattern in group.Patterns)
                CheckPattern(graph, pattern, taken);
            taken.UnionWith(graph.Parameters.Where(p => group.Matches(p.Name)));
        }
    }

    /// <summary>Moves a parameter, or a part of one where the rule is elementwise.</summary>
    /// <param name="context">The step.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="g">Its gradient.</param>
    /// <param name="w">Its values, changed.</param>
    /// <param name="state">Its state, changed.</param>
    internal abstract void Move<T>(in UpdateContext context, Parameter parameter, ReadOnlySpan<T> g, Span<T> w,
        StateSpans<T> state)
        where T : unmanaged, IFloatingPointIeee754<T>;

    /// <summary>Whether the rule may throw half way through a step: it is none of this library's.</summary>
    internal bool MayThrow => GetType().Assembly != typeof(Optimizer).Assembly;

    /// <summary>A weight decay that is one.</summary>
    internal static float CheckedDecay(float weightDecay, string name)
        => NumberInterval.FromZero.Contains(weightDecay)
        ? weightDecay
        : throw new ArgumentOutOfRangeException(name, Invariant($"Weight decay {weightDecay} is not a number from 0."));

    private static void CheckPattern(Graph graph, string pattern, HashSet<Parameter> taken)
    {
        Parameter[] matching = [.. graph.Parameters.Where(p => ParameterGroup.Matches(pattern, p.Name))];
        if (matching.Length == 0)
            throw new ArgumentException(
                $"A parameter group names \"{pattern}\", and no parameter of the graph is called that; "
                + "Graph.Parameters lists them." + NearMisses.Question(pattern, graph.Parameters.Select(p => p.Name)));
        if (matching.All(p => !p.Trainable))
            throw new ArgumentException(
                $"A parameter group names \"{pattern}\", which is {matching[0].Name}, a buffer: no optimiser moves it. "
                + "Leave it out.");
        if (matching.All(taken.Contains))
            throw new ArgumentException(
                $"A parameter group names \"{pattern}\", and all parameters called that belong to a group before it: "
                + "the first that matches counts. Put it before the others.");
    }
}
