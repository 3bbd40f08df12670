using static System.FormattableString;

namespace ConvNet;

/// <summary>A group of parameters, selected by name, with their own options for the optimiser.</summary>
/// <remarks>
/// <code>new Sgd(0.9f, weightDecay: 1e-4f) { Groups = [new("*.bias", "bn*") { WeightDecay = 0 }] }</code>
/// A parameter belongs to the first group with a pattern that matches its name. A parameter that belongs to no group
/// has a learning-rate factor of 1 and the weight decay of the optimiser.
/// </remarks>
public sealed record ParameterGroup
{
    private const int MostNamed = 30;

    private readonly float _learningRateFactor = 1;
    private readonly float? _weightDecay;

    /// <summary>Creates a group.</summary>
    /// <param name="patterns">
    /// Names of parameters such as <c>conv1.bias</c>; <c>*</c> matches any characters, <c>?</c> matches one.
    /// </param>
    /// <exception cref="ArgumentNullException"><paramref name="patterns"/> is null.</exception>
    /// <exception cref="ArgumentException">There are no patterns, or a pattern is empty.</exception>
    public ParameterGroup(params IEnumerable<string> patterns)
    {
        ArgumentNullException.ThrowIfNull(patterns);
        Patterns = [.. patterns];
        if (Patterns.Count == 0 || Patterns.Any(string.IsNullOrEmpty))
            throw new ArgumentException(
                "A parameter group needs patterns, none of them empty. Pass names such as conv1.bias, or *.bias.",
                nameof(patterns));
    }

    /// <summary>The name patterns.</summary>
    public IReadOnlyList<string> Patterns { get; }

    /// <summary>The factor by which the learning rate of a step is multiplied for this group. The default is
    /// 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The factor is negative or not finite.</exception>
    public float LearningRateFactor
    {
        get => _learningRateFactor;
        init => _learningRateFactor = value is >= 0 and < float.PositiveInfinity
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value),
                Invariant($"The learning-rate factor is {value}; it must be a finite number of at least 0."));
    }

    /// <summary>The weight decay of the group; null to use that of the optimiser.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The weight decay is negative or not finite.</exception>
    public float? WeightDecay
    {
        get => _weightDecay;
        init => _weightDecay = value is null ? null : Optimizer.CheckedDecay(value.Value, nameof(value));
    }

    /// <summary>Whether the parameters are frozen from the start: they have no gradient and are not updated.</summary>
    /// <remarks>
    /// After <see cref="ExecutableExtensions.Unfreeze(IExecutable, IEnumerable{string})"/>, they are trained with the
    /// learning-rate factor and the weight decay of the group.
    /// </remarks>
    public bool Frozen { get; init; }

    /// <summary>Whether an optimiser with a rule for matrices, such as <see cref="Muon"/>, updates the group with the
    /// rule that it uses for all other parameters.</summary>
    public bool Fallback { get; init; }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(ParameterGroup), (nameof(Patterns), Patterns),
        (nameof(LearningRateFactor), LearningRateFactor), (nameof(WeightDecay), WeightDecay), (nameof(Frozen), Frozen),
        (nameof(Fallback), Fallback));

    /// <summary>Gets the trainable parameters of a graph that patterns name, in the order of the graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="patterns">The patterns.</param>
    /// <exception cref="ArgumentException">A pattern matches no trainable parameter; the message lists those that there
    /// are.</exception>
    internal static Parameter[] TrainableIn(Graph graph, IEnumerable<string> patterns)
    {
        Parameter[] trainable = [.. graph.Parameters.Where(p => p.Trainable)];
        var named = new HashSet<Parameter>();
        foreach (string pattern in patterns)
        {
            ArgumentNullException.ThrowIfNull(pattern, nameof(patterns));
            Parameter[] matching = [.. trainable.Where(p => Matches(pattern, p.Name))];
            if (matching.Length == 0)
                throw new ArgumentException($"No trainable parameter of the graph is called "
                    + $"\"{Excerpt.Of(pattern)}\"; {ThereAre(pattern, trainable)}", nameof(patterns));
            named.UnionWith(matching);
        }
        return [.. trainable.Where(named.Contains)];
    }

    /// <summary>Lists the trainable parameters that there are, for an error about a pattern that matches
    /// none.</summary>
    internal static string ThereAre(string pattern, IReadOnlyList<Parameter> trainable)
        => "there " + (trainable.Count == 0 ? "is none." : $"are {string.Join(", ", trainable.Take(MostNamed)
            .Select(p => p.Name))}" + (trainable.Count > MostNamed
                ? Invariant($" and {trainable.Count - MostNamed:N0} more.") : "."))
            + NearMisses.Question(pattern, trainable.Select(p => p.Name));

    /// <summary>Whether one of the patterns matches a name.</summary>
    internal bool Matches(string name) => Patterns.Any(pattern => Matches(pattern, name));

    /// <summary>Whether a pattern matches a name.</summary>
    internal static bool Matches(string pattern, string name)
    {
        // After a mismatch, the last star is extended by one character.
        int p = 0, n = 0, star = -1, taken = 0;
        while (n < name.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                (star, taken) = (p++, n);
            }
            else if (p < pattern.Length && (pattern[p] == '?' || pattern[p] == name[n]))
            {
                p++;
                n++;
            }
            else if (star >= 0)
            {
                (p, n) = (star + 1, ++taken);
            }
            else
            {
                return false;
            }
        }
        return pattern.AsSpan(p).TrimStart('*').IsEmpty;
    }
}
