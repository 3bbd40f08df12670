using System.Collections;
using static System.FormattableString;

namespace ConvNet;

/// <summary>The loss of one output of a graph.</summary>
/// <param name="Output">The name of the output; null for the only output of the graph.</param>
/// <param name="Loss">The loss.</param>
/// <param name="Weight">The factor of its value and its gradient in the total loss.</param>
public sealed record OutputLoss(string? Output, Loss Loss, float Weight = 1)
{
    /// <summary>Creates the loss of an output with weight 1.</summary>
    public static implicit operator OutputLoss((string Output, Loss Loss) loss) => new(loss.Output, loss.Loss);

    /// <summary>Creates the loss of an output with a weight.</summary>
    public static implicit operator OutputLoss((string Output, Loss Loss, float Weight) loss)
        => new(loss.Output, loss.Loss, loss.Weight);
}

/// <summary>The losses with which a graph is trained: a single one, or one for each of some outputs.</summary>
/// <remarks>
/// The total loss is Σ weight·loss. A <see cref="Loss"/> converts implicitly to the loss of a graph's only output.
/// Outputs without a loss are computed and can be read. The parameters that no loss depends on have no gradient and are
/// not updated.
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

    /// <summary>Combines the losses of several outputs.</summary>
    /// <param name="losses">One loss for each of some outputs of the graph; the other outputs have none.</param>
    public static Losses Of(params ReadOnlySpan<OutputLoss> losses) => new(losses.ToArray());

    /// <summary>Creates the loss of a graph's only output.</summary>
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

    /// <summary>Returns the losses with their weights.</summary>
    public override string ToString() => string.Join(" + ", _losses.Select(of
        => Invariant($"{(of.Weight == 1 ? "" : $"{of.Weight} × ")}{of.Loss}")
            + (of.Output is null ? "" : $" of {of.Output}")));

    /// <summary>Assigns the losses to the nodes of a graph, in the order of its outputs.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="graph"/> is null.</exception>
    /// <exception cref="ArgumentException">
    /// There are no losses, an output is unknown or has two losses, or a loss is not defined for its output.
    /// </exception>
    public IReadOnlyList<Objective> For(Graph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        if (_losses.Length == 0)
            throw new ArgumentException("There is no loss to train with. Give at least one output a loss.");
        var objectives = new Objective?[graph.Outputs.Count];
        foreach (OutputLoss given in _losses)
        {
            if (given?.Loss is null)
                throw new ArgumentException($"The loss of {Place(given?.Output)} is null. Omit the output or "
                    + "give it a loss.");
            if (given.Output is null && graph.Outputs.Count > 1)
                throw new ArgumentException($"The graph has {graph.Outputs.Count} outputs, so each loss must name its "
                    + $"output, as in Losses.Of({string.Join(", ", graph.Outputs.Select(o => $"(\"{o.Name}\", …)"))}); "
                    + "omit outputs without a loss.");
            int index = given.Output is null ? 0 : NamedTensors.IndexOf(given.Output, graph.Outputs, "output");
            if (objectives[index] is not null)
                throw new ArgumentException($"The output \"{graph.Outputs[index].Name}\" has two losses. Give it one.");
            if (!float.IsFinite(given.Weight))
                throw new ArgumentException(Invariant($"The weight of the loss of {Place(given.Output)} is ")
                    + Invariant($"{given.Weight}; it must be finite."));
            objectives[index] = new Objective(graph.Outputs[index], given.Loss, given.Weight);
        }
        Objective[] all = [.. objectives.OfType<Objective>()];
        foreach (Objective objective in all)
            objective.Loss.CheckOutput(objective.Output);
        return all;
    }

    /// <summary>Finds the nodes on whose output a loss depends.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="objectives">The outputs that have a loss.</param>
    /// <returns>For each node, whether a loss depends on its output.</returns>
    internal static bool[] Reached(Graph graph, IReadOnlyList<Objective> objectives)
    {
        var reached = new bool[graph.Nodes.Count];
        foreach (Objective objective in objectives)
            reached[objective.Output.Index] = true;
        for (int i = graph.Nodes.Count - 1; i >= 0; i--)
            reached[i] |= graph.Nodes[i].Consumers.Any(node => reached[node.Index]);
        return reached;
    }

    private static string Place(string? output) => output is null ? "the only output" : $"output \"{output}\"";
}

/// <summary>The loss of a node of a compiled graph.</summary>
/// <param name="Output">The output that is compared with its targets.</param>
/// <param name="Loss">The loss.</param>
/// <param name="Weight">The factor of its value and its gradient in the total loss.</param>
public sealed record Objective(Node Output, Loss Loss, float Weight);
