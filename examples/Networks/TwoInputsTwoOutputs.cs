using ConvNet.Data;
using ConvNet.Training;

namespace ConvNet.Examples.Networks;

/// <summary>A graph with two inputs and two outputs: it sees two digits, and says which is larger and what their sum
/// is.</summary>
public static class TwoInputsTwoOutputs
{
    private const int Pairs = 6000, TestPairs = 500, BatchSize = 64;

    /// <summary>Trains the network and returns how often it names the larger digit of pairs that it has not
    /// seen.</summary>
    public static double Run(TextWriter output)
    {
        var data = ImageData.Digits();
        var graph = new Graph();
        Node left = Features(graph, graph.AddInput("left", data.Train.Shape)),
            right = Features(graph, graph.AddInput("right", data.Train.Shape));
        Node both = graph.Append(graph.Add(new Concat(), left, right), new Linear(64), new Relu());
        graph.SetOutputs(graph.Add("larger", new Linear(2), both), graph.Add("sum", new Linear(1), both));

        using var backend = new NativeBackend();
        using IExecutable net = backend.Compile(graph, new TrainingSpec(BatchSize, Losses.Of(
            ("larger", new SoftmaxCrossEntropy()), ("sum", new MeanSquaredError(), 0.05f)), new Adam()));
        net.Initialize(new HeNormal(Seed: 1));
        TrainingResult result = new Trainer(net, new TrainerOptions { Epochs = 15, LearningRate = 0.002f }).Train(
            new DataLoader(PairsOf(data.Train, Pairs, new Random(1)), BatchSize, new() { Shuffle = true }),
            new DataLoader(PairsOf(data.Test, TestPairs, new Random(2)), BatchSize));
        var larger = (ClassEvaluation)result.Test!["larger"];
        var sum = (ValueEvaluation)result.Test["sum"];
        output.WriteLine($"the larger digit: {larger.Accuracy:0.0%} right; the sum: off by "
            + $"{sum.MeanAbsoluteError:0.0} on average");
        return larger.Accuracy;
    }

    private static Node Features(Graph graph, Node image) => graph.Append(image,
        new Conv2d(16, 3, padding: 1), new Relu(), new MaxPool2d(2),
        new Conv2d(32, 3, padding: 1), new Relu(), new MaxPool2d(2), new Flatten());

    // Pairs of different digits.
    private static ArrayDataset PairsOf(PixelSet images, int count, Random random)
    {
        int length = images.Shape.Length;
        float[] left = new float[count * length], right = new float[count * length], sums = new float[count];
        int[] larger = new int[count];
        for (int i = 0; i < count; i++)
        {
            int a = random.Next(images.Count), b;
            do
                b = random.Next(images.Count);
            while (images.Labels.Span[a] == images.Labels.Span[b]);
            for (int p = 0; p < length; p++)
            {
                left[i * length + p] = images.Pixels.Span[a * length + p] / (float)images.MaxValue;
                right[i * length + p] = images.Pixels.Span[b * length + p] / (float)images.MaxValue;
            }
            int first = images.Labels.Span[a], second = images.Labels.Span[b];
            (larger[i], sums[i]) = (first > second ? 0 : 1, first + second);
        }
        return new ArrayDataset([("left", images.Shape, left), ("right", images.Shape, right)],
            [("larger", 2, larger), ("sum", sums)]);
    }
}
