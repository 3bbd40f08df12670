using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>What a pass over a graph is for.</summary>
internal enum PassKind
{
    /// <summary>Forward and backward.</summary>
    Training,

    /// <summary>Forward with running statistics, over parameters that training changes.</summary>
    Evaluation,

    /// <summary>Forward over parameters that change only when they are written, so they can be prepared.</summary>
    Inference,
}

/// <summary>What is planned.</summary>
/// <param name="Kind">What the pass is for.</param>
/// <param name="BatchSize">Samples in a full batch.</param>
/// <param name="Training">How it trains; null unless it is for training.</param>
/// <param name="Objectives">The outputs that have a loss; none unless it is for training.</param>
/// <param name="Frozen">The parameters that do not train.</param>
/// <param name="Fuse">Whether operations are fused. The results have the same bits either way, but for a folded batch
/// normalisation.</param>
/// <param name="Algorithms">Which algorithms convolutions take.</param>
/// <param name="Context">Who computes.</param>
internal sealed record PassSpec(PassKind Kind, int BatchSize, TrainingSpec? Training,
    IReadOnlyList<Objective> Objectives, FrozenParameters Frozen, bool Fuse, AlgorithmPolicy Algorithms,
    cn_context Context);
