using System.Numerics;
using static System.FormattableString;

namespace ConvNet;

/// <summary>An optimiser: how a step moves the parameters against their gradients.</summary>
public abstract record Optimizer
{
    /// <summary>Values of state per trainable value.</summary>
    public abstract int StateSlots { get; }

    /// <summary>
    /// Throws unless the optimiser fits a graph that is compiled with it. What names parameters looks for them here.
    /// </summary>
    /// <exception cref="ArgumentException">
    /// It names a parameter that the graph lacks; the message names those that are close.
    /// </exception>
    public virtual void CheckFor(Graph graph)
    {
    }

    /// <summary>Moves one parameter.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="learningRate">α.</param>
    /// <param name="g">Its gradient.</param>
    /// <param name="w">Its values, changed.</param>
    /// <param name="state"><see cref="StateSlots"/> times as many values, zero before the first step, changed.</param>
    public abstract void Step<T>(Parameter parameter, float learningRate, ReadOnlySpan<T> g, Span<T> w, Span<T> state)
        where T : unmanaged, IFloatingPointIeee754<T>;
}

/// <summary>Stochastic gradient descent: g ← g + λw; v ← μv + g; w ← w − αv, or w − α(g + μv) with Nesterov.</summary>
/// <remarks>PyTorch's form; without momentum w ← w − αg. Source: Sutskever et al., ICML 2013.</remarks>
public sealed record Sgd : Optimizer
{
    /// <summary>Describes the optimiser.</summary>
    /// <param name="momentum">μ, in [0, 1).</param>
    /// <param name="weightDecay">λ, not negative.</param>
    /// <param name="nesterov">Whether the step looks ahead; it needs momentum.</param>
    /// <param name="noDecay">Names of parameters without weight decay, as <c>conv1.bias</c>.</param>
    /// <exception cref="ArgumentException">A value is out of its range, or Nesterov without momentum.</exception>
    public Sgd(float momentum = 0f, float weightDecay = 0f, bool nesterov = false, IReadOnlyCollection<string>? noDecay = null)
    {
        if (momentum is not (>= 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(momentum),
                Invariant($"Momentum {momentum} is not in [0, 1)."));
        if (weightDecay is not (>= 0 and < float.PositiveInfinity))
            throw new ArgumentOutOfRangeException(nameof(weightDecay),
                Invariant($"Weight decay {weightDecay} is not a number from 0."));
        if (nesterov && momentum == 0)
            throw new ArgumentException("Nesterov's look-ahead needs a momentum above 0.", nameof(nesterov));
        if (noDecay?.Any(string.IsNullOrEmpty) == true)
            throw new ArgumentException(
                "A parameter without weight decay has an empty name; give names as conv1.bias.", nameof(noDecay));
        (Momentum, WeightDecay, Nesterov, NoDecay) =
            (momentum, weightDecay, nesterov, noDecay?.ToHashSet(StringComparer.Ordinal) ?? []);
    }

    /// <summary>μ.</summary>
    public float Momentum { get; }

    /// <summary>λ.</summary>
    public float WeightDecay { get; }

    /// <summary>Whether the step looks ahead.</summary>
    public bool Nesterov { get; }

    /// <summary>Names of parameters without weight decay.</summary>
    public IReadOnlyCollection<string> NoDecay { get; }

    /// <inheritdoc/>
    public override int StateSlots => Momentum > 0 ? 1 : 0;

    /// <summary>λ of one parameter: 0 where it is excluded by name.</summary>
    public float DecayOf(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        return NoDecay.Contains(parameter.Name) ? 0f : WeightDecay;
    }

    /// <inheritdoc/>
    public override void CheckFor(Graph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        HashSet<string> names = [.. graph.Parameters.Select(parameter => parameter.Name)];
        if (NoDecay.FirstOrDefault(name => !names.Contains(name)) is not { } unknown)
            return;
        throw new ArgumentException(
            $"noDecay names \"{unknown}\", and no parameter of the graph is called that; Graph.Parameters lists them."
            + NearMisses.Question(unknown, names));
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Sgd),
        (nameof(Momentum), Momentum), (nameof(WeightDecay), WeightDecay), (nameof(Nesterov), Nesterov),
            (nameof(NoDecay), NoDecay));

    /// <inheritdoc/>
    public override void Step<T>(Parameter parameter, float learningRate, ReadOnlySpan<T> g, Span<T> w, Span<T> state)
    {
        T rate = T.CreateChecked(learningRate), momentum = T.CreateChecked(Momentum), decay = T.CreateChecked(DecayOf(parameter));
        for (int i = 0; i < w.Length; i++)
        {
            T step = decay == T.Zero ? g[i] : g[i] + decay * w[i];
            if (Momentum > 0)
            {
                state[i] = momentum * state[i] + step;
                step = Nesterov ? step + momentum * state[i] : state[i];
            }
            w[i] -= rate * step;
        }
    }
}
