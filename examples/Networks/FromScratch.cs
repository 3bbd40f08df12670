using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Training;

namespace ConvNet.Examples.Networks;

/// <summary>A network from scratch: a chain of layers, trained on handwritten digits, tested and saved.</summary>
public static class FromScratch
{
    /// <summary>Trains the network and returns its accuracy on the test images.</summary>
    public static double Run(TextWriter output) => Run(output, file: null);

    /// <summary>Trains the network, saves it to a file if one is given, and returns its accuracy.</summary>
    public static double Run(TextWriter output, string? file)
    {
        var data = ImageData.Digits();                                       // 1,797 images of 8×8 pixels
        Graph graph = Sequential.Of(data.Train.Shape,
            new Conv2d(16, 3, padding: 1), new Relu(), new MaxPool2d(2),
            new Conv2d(32, 3, padding: 1), new Relu(), new MaxPool2d(2),
            new Flatten(), new Linear(data.Classes));

        const int BatchSize = 32;
        var normalization = Normalization.Of(data.Train);
        var train = new DataLoader(data.Train, BatchSize, new() { Shuffle = true, Transforms = [normalization] });
        var test = new DataLoader(data.Test, BatchSize, new() { Transforms = [normalization] });

        using var backend = new NativeBackend();
        using IExecutable net = backend.Compile(graph,
            new TrainingSpec(BatchSize, new SoftmaxCrossEntropy(), new Sgd(momentum: 0.9f)));
        net.Initialize(new HeNormal(Seed: 1));
        TrainingResult result = new Trainer(net, new TrainerOptions
        {
            Epochs = 5,
            LearningRate = 0.02f,
            OnEpoch = epoch => output.WriteLine($"epoch {epoch.Epoch}: loss {epoch.Loss:0.000}, "
                + $"test accuracy {epoch.TestAccuracy:0.0%}"),
        }).Train(train, test);

        if (file is not null)
            SavedModel.Save(file, net, normalization);
        return result.Test!.Accuracy;
    }
}
