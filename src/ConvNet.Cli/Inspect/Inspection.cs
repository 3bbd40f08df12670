namespace ConvNet.Cli.Inspect;

/// <summary>A tensor of a file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">The type of its values, as the format calls it.</param>
/// <param name="Shape">Its dimensions, outermost first.</param>
internal sealed record InspectedTensor(string Name, string Type, IReadOnlyList<long> Shape)
{
    /// <summary>The number of values.</summary>
    public long Count => Shape.Aggregate(1L, (product, size) => product * size);
}

/// <summary>What a file holds.</summary>
/// <param name="Kind">The kind of the file, for people.</param>
/// <param name="Facts">What it says, by name.</param>
/// <param name="Tensors">Its tensors.</param>
internal sealed record Inspection(string Kind, IReadOnlyList<(string Name, string Value)> Facts,
    IReadOnlyList<InspectedTensor> Tensors);
