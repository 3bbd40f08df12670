using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>The purpose of a pass over a graph.</summary>
internal enum PassKind
{
    /// <summary>Forward and backward pass.</summary>
    Training,

    /// <summary>Forward pass with running statistics, over parameters that training updates.</summary>
    Evaluation,

    /// <summary>Forward pass over parameters that change only when they are written, so that they can be
    /// prepared.</summary>
    Inference,
}

/// <summary>The specification of a pass to be planned.</summary>
/// <param name="Kind">The purpose of the pass.</param>
/// <param name="BatchSize">The number of samples in a full batch.</param>
/// <param name="Training">The training specification. Null unless the pass trains.</param>
/// <param name="Objectives">The outputs that have a loss. Empty unless the pass trains.</param>
/// <param name="Frozen">The parameters that are not trained.</param>
/// <param name="Fuse">Whether operations are fused. Fusion does not change the bits of the results, except when a batch
/// normalisation is folded.</param>
/// <param name="Algorithms">The policy that selects the algorithms of convolutions.</param>
/// <param name="Context">The context that runs the kernels: instruction set and thread count.</param>
internal sealed record PassSpec(PassKind Kind, int BatchSize, TrainingSpec? Training,
    IReadOnlyList<Objective> Objectives, FrozenParameters Frozen, bool Fuse, AlgorithmPolicy Algorithms,
    cn_context Context);
