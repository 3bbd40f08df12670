using ConvNet.Data;
using ConvNet.Training;

namespace ConvNet.Examples.Networks;

/// <summary>Transfer learning: a network that knows the digits 0 to 4 learns 5 to 9 from 20 images of each, in a new
/// last layer on frozen features.</summary>
public static class TransferLearning
{
    private const int BatchSize = 32, Known = 5, FewImages = 100;

    /// <summary>Trains both networks and returns the accuracy of the second one on the test images of 5 to 9.</summary>
    public static double Run(TextWriter output)
    {
        var data = ImageData.Digits();
        using var backend = new NativeBackend();
        using IExecutable first = Train(backend, Select(data.Train, 0, int.MaxValue), 0, epochs: 5, copyFrom: null);
        output.WriteLine($"0 to 4: {Test(first, Select(data.Test, 0, int.MaxValue)):0.0%} right");

        using IExecutable second = Train(backend, Select(data.Train, Known, FewImages), Known, epochs: 30,
            copyFrom: first);
        double accuracy = Test(second, Select(data.Test, Known, int.MaxValue));
        output.WriteLine($"5 to 9: {accuracy:0.0%} right");

        // The features are still those of the first network.
        foreach (Parameter parameter in second.Graph.Parameters.Where(second.IsFrozen))
        {
            if (!ValuesOf(second, parameter).SequenceEqual(ValuesOf(first, parameter)))
                throw new InvalidOperationException($"{parameter.Name} has changed.");
        }
        return accuracy;
    }

    private static IExecutable Train(NativeBackend backend, ArrayDataset data, int seed, int epochs,
        IExecutable? copyFrom)
    {
        var graph = new Graph(data.Shape);
        Node x = graph.Append(graph.Input, "features",
            ("0", new Conv2d(16, 3, padding: 1)), ("1", new Relu()), ("2", new MaxPool2d(2)),
            ("3", new Conv2d(32, 3, padding: 1)), ("4", new Relu()), ("5", new MaxPool2d(2)), ("6", new Flatten()));
        graph.Add("classifier", new Linear(Known), x);

        // A frozen parameter has no gradient, and layers below the last trained one have no backward pass at all.
        Optimizer optimizer = new Sgd(momentum: 0.9f);
        if (copyFrom is not null)
            optimizer = optimizer with { Groups = [new ParameterGroup("features.*") { Frozen = true }] };
        IExecutable net = backend.Compile(graph, new TrainingSpec(BatchSize, new SoftmaxCrossEntropy(), optimizer));
        net.Initialize(new HeNormal(seed));
        if (copyFrom is not null)
        {
            foreach (Parameter parameter in graph.Parameters.Where(net.IsFrozen))
                net.Write(parameter, ValuesOf(copyFrom, parameter));
        }
        new Trainer(net, new TrainerOptions { Epochs = epochs, LearningRate = 0.02f })
            .Train(new DataLoader(data, BatchSize, new() { Shuffle = true }));
        return net;
    }

    private static double Test(IExecutable net, ArrayDataset data)
        => Evaluation.Of(net, new DataLoader(data, BatchSize)).Accuracy;

    private static float[] ValuesOf(IExecutable net, Parameter parameter)
    {
        Parameter named = net.Graph.Parameters.Single(p => p.Name == parameter.Name);
        float[] values = new float[named.Length];
        net.Read(named, values);
        return values;
    }

    // The first images of five digits, with pixels in [0, 1], as classes 0 to 4.
    private static ArrayDataset Select(PixelSet images, int from, int count)
    {
        int length = images.Shape.Length;
        int[] chosen = [.. Enumerable.Range(0, images.Count)
            .Where(i => images.Labels.Span[i] >= from && images.Labels.Span[i] < from + Known).Take(count)];
        return new ArrayDataset(images.Shape, Known,
            [.. chosen.SelectMany(i => images.Pixels.Slice(i * length, length).ToArray(),
                (_, pixel) => pixel / (float)images.MaxValue)],
            [.. chosen.Select(i => images.Labels.Span[i] - from)]);
    }
}
