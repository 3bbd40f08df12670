using ConvNet.Models;

namespace ConvNet.Examples.Networks;

/// <summary>Segmentation: a small U-Net says of every pixel whether it belongs to a disc, a square or the
/// background.</summary>
public static class Segmentation
{
    private const int Size = 32, Classes = 3, BatchSize = 16, Steps = 300;

    /// <summary>Trains the network on made images and returns the mean intersection over union on new ones.</summary>
    public static double Run(TextWriter output)
    {
        Graph graph = UNet.Create(new Shape(1, Size, Size), Classes, width: 8, levels: 2, dropout: 0);
        using var backend = new NativeBackend();
        using IExecutable net = backend.Compile(graph,
            new TrainingSpec(BatchSize, new SoftmaxCrossEntropy(PerPixel: true), new Adam()));
        net.Initialize(new HeNormal(Seed: 1));
        var random = new Random(1);
        for (int step = 1; step <= Steps; step++)
        {
            (float[] images, int[] classes) = Draw(random);
            double loss = net.TrainStep(images, classes, learningRate: 0.002f);
            if (step % 50 == 0)
                output.WriteLine($"step {step}: loss {loss:0.000}");
        }

        long[] both = new long[Classes], either = new long[Classes];
        float[] scores = new float[BatchSize * Classes * Size * Size];
        for (int batch = 0; batch < 4; batch++)
        {
            (float[] images, int[] classes) = Draw(random);
            net.Infer(images, scores);
            for (int i = 0; i < classes.Length; i++)
            {
                (int truth, int guess) = (classes[i], Guess(scores, i));
                either[truth]++;
                if (truth == guess)
                    both[truth]++;
                else
                    either[guess]++;
            }
        }
        double mean = both.Zip(either, (b, e) => (double)b / e).Average();
        output.WriteLine($"mean intersection over union {mean:0.000}");
        return mean;
    }

    // The class with the largest score of a pixel. Scores are N×C×H×W.
    private static int Guess(float[] scores, int pixel)
    {
        const int Area = Size * Size;
        int first = pixel / Area * Classes * Area + pixel % Area;
        return Enumerable.Range(0, Classes).MaxBy(c => scores[first + c * Area]);
    }

    // Images with a grey disc and a white square on black, in noise almost as large as the differences. The square
    // covers the disc.
    private static (float[] Images, int[] Classes) Draw(Random random)
    {
        float[] images = new float[BatchSize * Size * Size];
        int[] classes = new int[images.Length];
        for (int n = 0; n < BatchSize; n++)
        {
            int discRow = random.Next(6, 26), discColumn = random.Next(6, 26), radius = random.Next(4, 8);
            int row = random.Next(2, 18), column = random.Next(2, 18), side = random.Next(7, 13);
            for (int i = 0; i < Size * Size; i++)
            {
                int h = i / Size, w = i % Size;
                bool disc = (h - discRow) * (h - discRow) + (w - discColumn) * (w - discColumn) <= radius * radius;
                bool square = h >= row && h < row + side && w >= column && w < column + side;
                int at = n * Size * Size + i;
                classes[at] = square ? 2 : disc ? 1 : 0;
                images[at] = (square ? 1 : disc ? 0.5f : 0) + 0.8f * (random.NextSingle() - 0.5f);
            }
        }
        return (images, classes);
    }
}
