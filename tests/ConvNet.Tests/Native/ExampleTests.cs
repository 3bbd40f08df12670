using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.Versioning;
using ConvNet.Models;
using ConvNet.Native.Interop;
using NUnit.Framework;

namespace ConvNet.Tests.Native;

/// <summary>native/example, which trains lenet5 with the C library alone.</summary>
[Platform("Linux"), UnsupportedOSPlatform("windows")]
public sealed class ExampleTests
{
    private const int TrainCount = 150, TestCount = 70, Batch = 64, Epochs = 2, Pixels = 28 * 28, Classes = 10;
    private const ulong Seed = 7;

    [Test]
    public void ItPrintsTheLossesOfTheNativeBackend()
    {
        using var folder = new TemporaryFolder();
        (byte[] Images, byte[] Labels) training = Draw(TrainCount, 1), test = Draw(TestCount, 2);
        WriteIdx(folder.File("train-images-idx3-ubyte"), training.Images, TrainCount, 28, 28);
        WriteIdx(folder.File("train-labels-idx1-ubyte"), training.Labels, TrainCount);
        WriteIdx(folder.File("t10k-images-idx3-ubyte"), test.Images, TestCount, 28, 28);
        WriteIdx(folder.File("t10k-labels-idx1-ubyte"), test.Labels, TestCount);
        string library = NativeLibraryFile.Loaded.Path, program = folder.File("lenet5");
        // Programs look for the library by its name with the version.
        File.CreateSymbolicLink(folder.File($"libconvnet.so.{Convnet.CN_VERSION_MAJOR}"), library);
        string example = Repository.Path("native", "example");

        CommandResult built = Repository.Run(folder.Path, "cc",
            ["-std=c11", "-O1", "-o", program, "-I", Repository.Path("native", "include"),
                $"{example}/lenet5.c", $"{example}/images.c", library, "-lm"]);
        Assert.That(built.ExitCode, Is.Zero, built.Output);
        CommandResult run = Repository.Run(folder.Path, program, ["-t", "3", "-e", $"{Epochs}", "-s", $"{Seed}", "."],
            new Dictionary<string, string?> { ["LD_LIBRARY_PATH"] = folder.Path });
        Assert.That(run.ExitCode, Is.Zero, run.Output);

        Assert.That(run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries), Is.EqualTo(Train(training, test)));
    }

    /// <summary>What the example should print.</summary>
    private static string[] Train((byte[] Images, byte[] Labels) training, (byte[] Images, byte[] Labels) test)
    {
        // Weights and order are drawn from the same numbers.
        ulong weights = Seed, shuffle = Seed;
        Graph graph = BuiltInModels.Create("lenet5");
        using var backend = new NativeBackend();
        using NativePlan net = backend.Compile(graph,
            new TrainingSpec(Batch, new SoftmaxCrossEntropy(), new Sgd(momentum: 0.9f)));
        foreach (Parameter parameter in graph.Parameters)
        {
            float[] values = new float[parameter.Length];
            int inputs = parameter.Length / parameter.Dimensions[0];
            if (parameter.Dimensions.Count > 1)
                foreach (ref float value in values.AsSpan())
                    value = MathF.Sqrt(6f / inputs) * ((Next(ref weights) >> 40) * (1f / (1 << 23)) - 1);
            net.Write(parameter, values);
        }
        var lines = new List<string>();
        int[] order = new int[TrainCount];
        for (int epoch = 1; epoch <= Epochs; epoch++)
        {
            for (int i = 0; i < TrainCount; i++)
            {
                int j = (int)(Next(ref shuffle) % (ulong)(i + 1));
                (order[i], order[j]) = (order[j], i);
            }
            double sum = 0;
            foreach (int[] batch in order.Chunk(Batch))
            {
                net.Forward(Values(training.Images, batch));
                sum += batch.Length * net.Loss(Array.ConvertAll(batch, sample => (int)training.Labels[sample]));
                net.Backward();
                net.Step(learningRate: 0.02f);
            }
            int correct = 0;
            foreach (int[] batch in Enumerable.Range(0, TestCount).Chunk(Batch))
            {
                float[] scores = new float[batch.Length * Classes];
                net.Infer(Values(test.Images, batch), scores);
                correct += batch.Where((sample, i) =>
                {
                    float[] own = scores[(i * Classes)..((i + 1) * Classes)];
                    return Array.IndexOf(own, own.Max()) == test.Labels[sample];
                }).Count();
            }
            lines.Add(string.Create(CultureInfo.InvariantCulture,
                $"epoch {epoch}: loss {sum / TrainCount:G17}, {correct} of {TestCount} test images correct"));
        }
        return [.. lines];
    }

    // splitmix64
    private static ulong Next(ref ulong state)
    {
        ulong z = state += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

    private static float[] Values(byte[] images, int[] samples)
        => [.. samples.SelectMany(sample => images.AsSpan(sample * Pixels, Pixels).ToArray())
            .Select(value => value / 127.5f - 1)];

    // Noise that is brighter in the rows of the label.
    private static (byte[] Images, byte[] Labels) Draw(int count, int seed)
    {
        var random = new Random(seed);
        byte[] labels = [.. Enumerable.Range(0, count).Select(i => (byte)(i % Classes))];
        byte[] images = [.. Enumerable.Range(0, count * Pixels)
            .Select(i => (byte)(random.Next(128) + (i % Pixels / 28 / 3 == labels[i / Pixels] ? 100 : 0)))];
        return (images, labels);
    }

    private static void WriteIdx(string path, byte[] values, params int[] sizes)
    {
        byte[] head = new byte[4 + 4 * sizes.Length];
        (head[2], head[3]) = (8, (byte)sizes.Length);
        for (int i = 0; i < sizes.Length; i++)
            BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(4 + 4 * i), sizes[i]);
        File.WriteAllBytes(path, [.. head, .. values]);
    }
}
