namespace ConvNet;

/// <summary>An executable that computes a share of each batch, while others compute the rest. Each call that computes
/// is made by all ranks, with the same whole batch; only the samples of the own share need to have been read.</summary>
internal interface ISharesBatches
{
    /// <summary>The share of this executable.</summary>
    BatchShare Share { get; }

    /// <summary>Whether training steps and <see cref="IExecutable.ReadOutput"/> write the outputs of the own share
    /// alone, and leave those of the other samples as they are.</summary>
    bool ReadsOwnOutputs { get; set; }

    /// <summary>Replaces values by their sums over all ranks, added in the order of the ranks.</summary>
    void Sum(Span<double> values);

    /// <summary>Exchanges texts with all ranks.</summary>
    /// <returns>The texts in the order of the ranks.</returns>
    IReadOnlyList<string> Exchange(string text);
}
