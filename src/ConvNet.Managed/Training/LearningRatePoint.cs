namespace ConvNet.Training;

/// <summary>A step of a <see cref="LearningRateTest"/>.</summary>
/// <param name="LearningRate">The learning rate.</param>
/// <param name="Loss">The loss of the batch before the step.</param>
/// <param name="Smoothed">The exponential moving average of the losses.</param>
public readonly record struct LearningRatePoint(float LearningRate, double Loss, double Smoothed);
