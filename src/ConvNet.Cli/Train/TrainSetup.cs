using ConvNet.Data;
using ConvNet.Mpi;
using ConvNet.Serialization;
using ConvNet.Training;

namespace ConvNet.Cli.Train;

/// <summary>What is trained, with what and how.</summary>
/// <param name="Model">The name of the network, or its file.</param>
/// <param name="Data">The data.</param>
/// <param name="Graph">The network.</param>
/// <param name="Sets">The images by their use.</param>
/// <param name="Normalization">The normalisation of the images.</param>
/// <param name="Batches">The loader of the training images.</param>
/// <param name="Training">The training and where it begins.</param>
/// <param name="Callbacks">What may stop the training.</param>
/// <param name="Frozen">The parameters that are not trained.</param>
/// <param name="Sharing">How several ranks train together.</param>
internal sealed record TrainSetup(string Model, ImageSource Data, Graph Graph, TrainSets Sets,
    Normalization Normalization, DataLoader Batches, SavedTraining Training, TrainingCallback[] Callbacks,
    Parameter[] Frozen, DataParallelOptions Sharing);
