namespace ConvNet.Serve.Runs;

/// <summary>Consecutive steps of a training as one point of its curves.</summary>
/// <param name="Step">The last of the steps.</param>
/// <param name="LossSum">The sum of the losses that are numbers.</param>
/// <param name="Losses">The number of them.</param>
/// <param name="LearningRate">The learning rate of the last step.</param>
/// <param name="Accuracy">The accuracy over the epoch up to the last step.</param>
/// <param name="ImagesPerSecond">The throughput of the epoch up to the last step.</param>
internal readonly record struct StepPoint(long Step, double LossSum, int Losses, double? LearningRate,
    double? Accuracy, double? ImagesPerSecond)
{
    /// <summary>The mean loss; null if no loss is a number.</summary>
    public double? Loss => Losses > 0 ? LossSum / Losses : null;

    /// <summary>Returns the point of the steps of this one and of the next one.</summary>
    public StepPoint With(StepPoint next) => next with
    {
        LossSum = LossSum + next.LossSum,
        Losses = Losses + next.Losses,
    };
}
