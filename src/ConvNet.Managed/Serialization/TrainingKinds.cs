using ConvNet.Data;
using ConvNet.Training;

namespace ConvNet.Serialization;

/// <summary>The kinds that are recognised in a saved training; by default those of this library.</summary>
public sealed record TrainingKinds
{
    /// <summary>The optimisers.</summary>
    public OptimizerSet Optimizers { get; init; } = OptimizerSet.BuiltIn;

    /// <summary>The losses.</summary>
    public KindSet<Loss> Losses { get; init; } = Loss.BuiltIn;

    /// <summary>The learning rate schedules.</summary>
    public KindSet<LearningRateSchedule> Schedules { get; init; } = LearningRateSchedule.BuiltIn;

    /// <summary>The ways to average weights.</summary>
    public KindSet<WeightAveraging> Averagings { get; init; } = WeightAveraging.BuiltIn;

    /// <summary>The transforms.</summary>
    public KindSet<Transform> Transforms { get; init; } = Transform.BuiltIn;

    /// <summary>The transforms of batches.</summary>
    public KindSet<BatchTransform> BatchTransforms { get; init; } = BatchTransform.BuiltIn;

    /// <summary>The samplers.</summary>
    public KindSet<Sampler> Samplers { get; init; } = Sampler.BuiltIn;
}
