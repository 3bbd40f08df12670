namespace ConvNet.GradientChecking.Research;

/// <summary>The kind of a simulated kernel fault.</summary>
public enum FaultKind
{
    /// <summary>The last 1 to 8 values, which follow a whole number of vectors of 8, are not computed.</summary>
    TailDropped,

    /// <summary>The window reads one column too far to the left.</summary>
    PaddingOffByOne,

    /// <summary>The biases are not added.</summary>
    BiasMissing,

    /// <summary>The gradient of the previous pass is still included in the sum.</summary>
    StaleGradient,

    /// <summary>All values are twice the correct values.</summary>
    FactorOfTwo,

    /// <summary>All values are zero.</summary>
    AllZero,

    /// <summary>Rows and columns are swapped.</summary>
    SwappedStride,

    /// <summary>One term of one result at a random position is omitted.</summary>
    TermLeftOut,

    /// <summary>One term of one result at a random position is added twice.</summary>
    TermTwice,

    /// <summary>One result at a random position is replaced by its neighbour.</summary>
    NeighbourTaken,

    /// <summary>One result at a random position has the wrong sign.</summary>
    SignFlipped,

    /// <summary>Two adjacent channels or filters are exchanged.</summary>
    ChannelsSwapped,

    /// <summary>Each sample gets the values of the next one. A gradient of weights combines inputs and output gradients
    /// of different samples.</summary>
    SampleMixedUp,

    /// <summary>All values are divided by a number of samples that is one too large.</summary>
    CountOffByOne,
}

/// <summary>The result of a layer into which a fault is injected.</summary>
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

    /// <summary>A buffer that the forward pass updates, such as running statistics.</summary>
    Buffer,

    /// <summary>The value of the loss.</summary>
    Loss,
}

/// <summary>A fault to inject.</summary>
/// <param name="Kind">The kind of the fault.</param>
/// <param name="Target">The result that is wrong.</param>
/// <param name="Seed">The seed of the random position.</param>
public sealed record Fault(FaultKind Kind, FaultTarget Target, int Seed = 1)
{
    /// <summary>Whether the fault occurs at a random position, which depends on the seed.</summary>
    public bool IsAtRandom => Kind is FaultKind.TermLeftOut or FaultKind.TermTwice or FaultKind.NeighbourTaken
        or FaultKind.SignFlipped or FaultKind.ChannelsSwapped
        || (Kind == FaultKind.SampleMixedUp && Target is FaultTarget.Output or FaultTarget.InputGradient);
}
