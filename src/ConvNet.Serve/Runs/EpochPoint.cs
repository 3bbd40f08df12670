namespace ConvNet.Serve.Runs;

/// <summary>The results of an epoch.</summary>
/// <param name="Epoch">The epoch, from 1.</param>
/// <param name="Step">The last step of the epoch.</param>
/// <param name="Loss">The mean loss of the epoch.</param>
/// <param name="TrainAccuracy">The accuracy of the training samples, from 0 to 1.</param>
/// <param name="TestAccuracy">The accuracy of the samples that are tested after the epoch, from 0 to 1.</param>
/// <param name="TestLoss">Their mean loss.</param>
/// <param name="Seconds">The training time.</param>
/// <param name="ImagesPerSecond">The training throughput.</param>
public sealed record EpochPoint(int Epoch, long Step, double? Loss, double? TrainAccuracy, double? TestAccuracy,
    double? TestLoss, double? Seconds, double? ImagesPerSecond);
