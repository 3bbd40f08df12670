using System.Collections;
using static System.FormattableString;

namespace ConvNet;

/// <summary>A loss at one output of a graph.</summary>
/// <param name="Output">The name of the output; null for the only output of the graph.</param>
/// <param name="Loss">The loss.</param>
/// <param name="Weight">What its value and gradient are multiplied by in the total.</param>
public sealed record OutputLoss(string? Output, Loss Loss, float Weight = 1)
{
    /// <summary>A loss at an output, with weight 1.</summary>
    public static implicit operator OutputLoss((string Output, Loss Loss) loss) => new(loss.Output, loss.Loss);

    /// <summary>A loss at an output, with its weight.</summary>
    public static implicit operator OutputLoss((string Output, Loss Loss, float Weight) loss)
        => new(loss.Output, loss.Loss, loss.Weight);
}

/// <summary>The losses that a graph is trained with: one, or one each for some of its outputs.</summary>
/// <remarks>
/// The total is Σ weight·loss. A <see cref="Loss"/> converts implicitly: it is the loss of a graph's only output.
/// Outputs without a loss are computed and can be read; no gradient comes from them.
/// </remarks>
/// <example><code>
/// Losses.Of(("class", new SoftmaxCrossEntropy()), ("box", new MeanSquaredError(), 0.5f))
/// </code></example>
public sealed class Losses : IReadOnlyList<OutputLoss>, IEquatable<Losses>
{
    private readonly OutputLoss[] _losses;

    private Losses(OutputLoss[] losses) => _losses = losses;

    /// <inheritdoc/>
    public int Count => _losses.Length;

    /// <inheritdoc/>
    public OutputLoss this[int index] => _losses[index];

    /// <summary>Losses at several outputs.</summary>
    /// <param name="losses">One each for some outputs of the graph; the rest have none.</param>
    public static Losses Of(params ReadOnlySpan<OutputLoss> losses) => new(losses.ToArray());

    /// <summary>The loss of a graph's only output.</summary>
    public static implicit operator Losses(Loss loss) => Of(new OutputLoss(null, loss));

    /// <inheritdoc/>
    public IEnumerator<OutputLoss> GetEnumerator() => ((IEnumerable<OutputLoss>)_losses).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <inheritdoc/>
    public bool Equals(Losses? other) => other is not null && _losses.AsSpan().SequenceEqual(other._losses);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Losses);

    /// <inheritdoc/>
    public override int GetHashCode() => _losses.Aggregate(0, (hash, loss) => HashCode.Combine(hash, loss));

    /// <summary>The losses with their weights.</summary>
    public override string ToString() => string.Join(" + ", _losses.Select(of
        => Invariant($"{(of.Weight == 1 ? "" : $"{of.Weight} × ")}{of.Loss}")
            + (of.Output is null ? "" : $" of {of.Output}")));

    /// <summary>The losses at the nodes of a graph, in the order of its outputs.</summary>
    /// <exception cref="ArgumentException">
    /// There is none, or an output is unknown, has two or cannot be compared by its loss.
    /// </exception>
    public IReadOnlyList<Objective> For(Graph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        if (_losses.Length == 0)
            throw new ArgumentException("There is no loss to train with; give at least one output a loss.");
        var objectives = new Objective?[graph.Outputs.Count];
        foreach (OutputLoss given in _losses)
        {
            if (given?.Loss is null)
                throw new ArgumentException($"The loss of {Place(given?.Output)} is null; leave the output out or "
                    + "give it a loss.");
            if (given.Output is null && graph.Outputs.Count > 1)
                throw new ArgumentException($"The graph has {graph.Outputs.Count} outputs, so a loss must name its "
                    + $"own, as Losses.Of({string.Join(", ", graph.Outputs.Select(o => $"(\"{o.Name}\", …)"))}); "
                    + "outputs without a loss are left out.");
            int index = given.Output is null ? 0 : NamedTensors.IndexOf(given.Output, graph.Outputs, "output");
            if (objectives[index] is not null)
                throw new ArgumentException($"The output \"{graph.Outputs[index].Name}\" has two losses; give one.");
            if (!float.IsFinite(given.Weight))
                throw new ArgumentException(Invariant($"The weight {given.Weight} of the loss of ")
                    + $"{Place(given.Output)} must be finite.");
            objectives[index] = new Objective(graph.Outputs[index], given.Loss, given.Weight);
        }
        Objective[] all = [.. objectives.OfType<Objective>()];
        foreach (Objective objective in all)
            objective.Loss.CheckOutput(objective.Output);
        return all;
    }

    private static string Place(string? output) => output is null ? "the only output" : $"output \"{output}\"";
}

/// <summary>A loss at a node of a graph that is compiled.</summary>
/// <param name="Output">The output that it compares with its targets.</param>
/// <param name="Loss">The loss.</param>
/// <param name="Weight">What its value and gradient are multiplied by in the total.</param>
public sealed record Objective(Node Output, Loss Loss, float Weight);
