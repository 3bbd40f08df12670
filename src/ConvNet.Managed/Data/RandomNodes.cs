namespace ConvNet.Data;

/// <summary>What distinguishes the random choices of a loader. Layers count up from 0, other streams down from
/// −1.</summary>
internal static class RandomNodes
{
    private const int Group = 1 << 20;

    /// <summary>The first of the transforms of samples.</summary>
    public const int Transform = int.MinValue;

    /// <summary>The choice among the transforms of batches.</summary>
    public const int BatchChoice = Transform + Group;

    /// <summary>The first of the transforms of batches.</summary>
    public const int BatchTransform = BatchChoice + 1;

    /// <summary>The sampler.</summary>
    public const int Sampler = BatchChoice + Group;
}
