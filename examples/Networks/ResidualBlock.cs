using ConvNet.Data;
using ConvNet.Models;
using ConvNet.Training;

namespace ConvNet.Examples.Networks;

/// <summary>A graph with branches: a residual block of one's own, and one of the built-in blocks.</summary>
public static class ResidualBlock
{
    /// <summary>Trains the network and returns its accuracy on the test images.</summary>
    public static double Run(TextWriter output)
    {
        var data = ImageData.Digits();
        var graph = new Graph(data.Train.Shape);
        Node x = graph.Append(graph.Input, "stem", ("conv", new Conv2d(16, 3, padding: 1, bias: false)),
            ("bn", new BatchNorm2d()), ("relu", new Relu()));
        x = Preactivated(graph, x, "block1");
        x = ResNet.BasicBlock(graph, x, "block2", width: 32, stride: 2);
        graph.Append(x, "head", ("pool", new GlobalAvgPool2d()), ("fc", new Linear(data.Classes)));
        foreach (Parameter parameter in graph["block1.conv1"].Parameters)
            output.WriteLine(parameter);                                     // block1.conv1.weight (16×16×3×3)

        const int BatchSize = 32;
        var normalization = Normalization.Of(data.Train);
        using var backend = new NativeBackend();
        using IExecutable net = backend.Compile(graph,
            new TrainingSpec(BatchSize, new SoftmaxCrossEntropy(), new Sgd(momentum: 0.9f, weightDecay: 1e-4f)));
        net.Initialize(new HeNormal(Seed: 1));
        TrainingResult result = new Trainer(net, new TrainerOptions { Epochs = 5, LearningRate = 0.05f }).Train(
            new DataLoader(data.Train, BatchSize, new() { Shuffle = true, Transforms = [normalization] }),
            new DataLoader(data.Test, BatchSize, new() { Transforms = [normalization] }));
        output.WriteLine($"test accuracy {result.Test!.Accuracy:0.0%}");
        return result.Test.Accuracy;
    }

    // x + conv2(relu(bn2(conv1(relu(bn1(x)))))): He et al., ECCV 2016.
    private static Node Preactivated(Graph graph, Node x, string name)
    {
        int channels = x.Shape.C;
        Node branch = graph.Append(x, name,
            ("bn1", new BatchNorm2d()), ("relu1", new Relu()),
            ("conv1", new Conv2d(channels, 3, padding: 1, bias: false)),
            ("bn2", new BatchNorm2d()), ("relu2", new Relu()),
            ("conv2", new Conv2d(channels, 3, padding: 1, bias: false)));
        return graph.Add($"{name}.add", new Add(), x, branch);
    }
}
