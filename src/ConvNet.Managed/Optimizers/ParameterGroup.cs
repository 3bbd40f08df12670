using static System.FormattableString;

namespace ConvNet;

/// <summary>Parameters, by their names, that an optimiser treats alike and unlike the others.</summary>
/// <remarks>
/// <code>new Sgd(0.9f, weightDecay: 1e-4f) { Groups = [new("*.bias", "batchnorm*") { WeightDecay = 0 }] }</code>
/// A parameter belongs to the first group with a pattern that its name matches; one that belongs to none has a factor
/// of 1 and the optimiser's own weight decay.
/// </remarks>
public sealed record ParameterGroup
{
    private readonly float _learningRateFactor = 1;
    private readonly float? _weightDecay;

    /// <summary>Describes a group.</summary>
    /// <param name="patterns">
    /// Names of parameters, as <c>conv1.bias</c>; <c>*</c> stands for any characters, <c>?</c> for one.
    /// </param>
    /// <exception cref="ArgumentException">There are no patterns, or one is empty.</exception>
    public ParameterGroup(params IEnumerable<string> patterns)
    {
        ArgumentNullException.ThrowIfNull(patterns);
        Patterns = [.. patterns];
        if (Patterns.Count == 0 || Patterns.Any(string.IsNullOrEmpty))
            throw new ArgumentException(
                "A parameter group needs patterns that are not empty; give names as conv1.bias, or as *.bias.",
                nameof(patterns));
    }

    /// <summary>The patterns of names.</summary>
    public IReadOnlyList<string> Patterns { get; }

    /// <summary>The step's learning rate is multiplied by this for the group; 1 unless given.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative or not finite.</exception>
    public float LearningRateFactor
    {
        get => _learningRateFactor;
        init => _learningRateFactor = value is >= 0 and < float.PositiveInfinity
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value),
                Invariant($"A learning-rate factor of {value} is not a finite number from 0."));
    }

    /// <summary>The weight decay of the group; the optimiser's own unless given.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative or not finite.</exception>
    public float? WeightDecay
    {
        get => _weightDecay;
        init => _weightDecay = value is null ? null : Optimizer.CheckedDecay(value.Value, nameof(value));
    }

    /// <summary>Whether the parameters start frozen: they have no gradient, and no step moves them.</summary>
    /// <remarks>
    /// Unfrozen, by <see cref="ExecutableExtensions.Unfreeze(IExecutable, IEnumerable{string})"/>, they train with the
    /// factor and the weight decay of the group.
    /// </remarks>
    public bool Frozen { get; init; }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(ParameterGroup), (nameof(Patterns), Patterns),
        (nameof(LearningRateFactor), LearningRateFactor), (nameof(WeightDecay), WeightDecay), (nameof(Frozen), Frozen));

    /// <summary>Whether a name matches a pattern.</summary>
    internal bool Matches(string name) => Patterns.Any(pattern => Matches(pattern, name));

    /// <summary>Whether a name matches one pattern.</summary>
    internal static bool Matches(string pattern, string name)
    {
        // A mismatch behind a star lets that star take one character more.
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
