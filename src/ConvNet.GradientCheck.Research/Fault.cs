namespace ConvNet.GradientChecking.Research;

/// <summary>A way in which a kernel can be wrong.</summary>
public enum FaultKind
{
    /// <summary>The last values, those behind the last whole vector of 8, are not computed.</summary>
    TailDropped,

    /// <summary>The window reads one column too far to the left.</summary>
    PaddingOffByOne,

    /// <summary>The biases are not added.</summary>
    BiasMissing,

    /// <summary>The gradient before is still in the sum.</summary>
    StaleGradient,

    /// <summary>Everything is twice what it should be.</summary>
    FactorOfTwo,

    /// <summary>Everything is zero.</summary>
    AllZero,

    /// <summary>Rows are taken for columns.</summary>
    SwappedStride,

    /// <summary>One term of one result, at a random place, is left out.</summary>
    TermLeftOut,

    /// <summary>One term of one result, at a random place, is added twice.</summary>
    TermTwice,

    /// <summary>One result, at a random place, is that of its neighbour.</summary>
    NeighbourTaken,

    /// <summary>One result, at a random place, has the wrong sign.</summary>
    SignFlipped,

    /// <summary>Two channels that lie side by side, or two filters, are in each other's place.</summary>
    ChannelsSwapped,

    /// <summary>A sample gets what belongs to the next one; a gradient of weights is that of samples and gradients
    /// which do not belong together.</summary>
    SampleMixedUp,

    /// <summary>Everything is divided by a number of samples that is one too large.</summary>
    CountOffByOne,
}

/// <summary>Which result of a layer is wrong.</summary>
public enum FaultTarget
{
    /// <summary>The output, y.</summary>
    Output,

    /// <summary>The gradient of the input, dx.</summary>
    InputGradient,

    /// <summary>The gradients of the weights, dw.</summary>
    WeightGradient,

    /// <summary>The gradients of the biases, db.</summary>
    BiasGradient,

    /// <summary>What the forward pass updates: running statistics.</summary>
    Buffer,

    /// <summary>The value of the loss.</summary>
    Loss,
}

/// <summary>A fault to inject.</summary>
/// <param name="Kind">What goes wrong.</param>
/// <param name="Target">Where.</param>
/// <param name="Seed">Chooses the random place.</param>
public sealed record Fault(FaultKind Kind, FaultTarget Target, int Seed = 1)
{
    /// <summary>Whether it strikes at a random place, so that it is another fault for every seed.</summary>
    public bool IsAtRandom => Kind is FaultKind.TermLeftOut or FaultKind.TermTwice or FaultKind.NeighbourTaken
        or FaultKind.SignFlipped or FaultKind.ChannelsSwapped
        || (Kind == FaultKind.SampleMixedUp && Target is FaultTarget.Output or FaultTarget.InputGradient);
}
