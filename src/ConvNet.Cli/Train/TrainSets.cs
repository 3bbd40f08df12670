using ConvNet.Data;

namespace ConvNet.Cli.Train;

/// <summary>The images of a training by their use.</summary>
/// <param name="Train">The images to train with.</param>
/// <param name="AfterEpochs">The images to test with after every epoch: those for validation, or the test
/// images.</param>
/// <param name="Test">The images to test with at the end.</param>
/// <param name="Validation">How images for validation were selected; null if there are none.</param>
internal sealed record TrainSets(IDataset Train, IDataset AfterEpochs, IDataset Test, DataSplit? Validation);
