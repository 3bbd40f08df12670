namespace ConvNet;

/// <summary>What an optimiser's rule knows of the step that it is called in.</summary>
/// <param name="Step">The number of the step, from 1.</param>
/// <param name="LearningRate">α of the parameter: the step's learning rate times the factor of its group.</param>
/// <param name="WeightDecay">λ of the parameter.</param>
public readonly record struct UpdateContext(long Step, float LearningRate, float WeightDecay);

/// <summary>The options of one parameter, from its group or the optimiser.</summary>
/// <param name="LearningRateFactor">The step's learning rate is multiplied by this.</param>
/// <param name="WeightDecay">λ.</param>
public readonly record struct ParameterOptions(float LearningRateFactor, float WeightDecay)
{
    /// <summary>What the rule knows of a step of the parameter.</summary>
    /// <param name="step">The number of the step, from 1.</param>
    /// <param name="learningRate">The step's learning rate.</param>
    public UpdateContext At(long step, float learningRate) => new(step, learningRate * LearningRateFactor, WeightDecay);
}
