namespace ConvNet;

/// <summary>The data of a step that an optimiser's rule receives.</summary>
/// <param name="Step">The number of the step, from 1.</param>
/// <param name="LearningRate">The learning rate α of the parameter: that of the step times the factor of the
/// parameter's group.</param>
/// <param name="WeightDecay">The weight decay λ of the parameter.</param>
public readonly record struct UpdateContext(long Step, float LearningRate, float WeightDecay)
{
    /// <summary>Whether the group of the parameter asks for the fallback rule (<see cref="ParameterGroup.Fallback"/>).
    /// </summary>
    public bool Fallback { get; init; }
}

/// <summary>The options of one parameter, from its group or from the optimiser.</summary>
/// <param name="LearningRateFactor">The factor by which the learning rate of a step is multiplied.</param>
/// <param name="WeightDecay">The weight decay λ.</param>
public readonly record struct ParameterOptions(float LearningRateFactor, float WeightDecay)
{
    /// <summary>Whether the fallback rule of the optimiser updates the parameter.</summary>
    public bool Fallback { get; init; }

    /// <summary>Creates the context of a step for the parameter.</summary>
    /// <param name="step">The number of the step, from 1.</param>
    /// <param name="learningRate">The learning rate of the step.</param>
    public UpdateContext At(long step, float learningRate) => new(step, learningRate * LearningRateFactor, WeightDecay)
    {
        Fallback = Fallback,
    };
}
