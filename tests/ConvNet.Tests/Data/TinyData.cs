using System.Buffers.Binary;
using System.IO.Compression;
using ConvNet.Data;

namespace ConvNet.Tests.Data;

/// <summary>A folder with a data set that a network of 200 weights learns in a second, and that network's graph;
/// deleted at the end.</summary>
internal sealed class TinyData : IDisposable
{
    public const int Classes = 3, TrainCount = 90, TestCount = 31;

    public static readonly Shape Shape = new(1, 6, 6);

    public TinyData()
    {
        Folder = Directory.CreateTempSubdirectory("convnet-test-").FullName;
        Write("train", TrainCount, seed: 1);
        Write("t10k", TestCount, seed: 2);
        Model = File("tiny.json");
        System.IO.File.WriteAllText(Model, """
            { "format": "convnet-graph", "version": 1, "input": [1, 6, 6], "nodes": [
              { "layer": "conv", "outChannels": 4, "kernelSize": 3, "padding": 1 }, { "layer": "relu" },
              { "layer": "maxpool", "kernelSize": 2 }, { "layer": "flatten" },
              { "layer": "linear", "outFeatures": 3 } ] }
            """);
    }

    /// <summary>Writes the file of a network with batch normalisation, and returns its path.</summary>
    public string NormalizedModel()
    {
        string file = File("normalized.json");
        System.IO.File.WriteAllText(file, System.IO.File.ReadAllText(Model).Replace("{ \"layer\": \"relu\" }",
            "{ \"layer\": \"bn\" }, { \"layer\": \"relu\" }", StringComparison.Ordinal));
        return file;
    }

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>The file of the graph.</summary>
    public string Model { get; }

    /// <summary>A path in the folder.</summary>
    public string File(string name) => Path.Combine(Folder, name);

    /// <summary>Images of one class each: two bright rows at a place that tells the class, on noise.</summary>
    public static PixelSet Images(int count, int seed)
    {
        var random = new Random(seed);
        var pixels = new byte[count * Shape.Length];
        var labels = new int[count];
        random.NextBytes(pixels);
        for (int n = 0; n < count; n++)
        {
            labels[n] = n % Classes;
            for (int i = 0; i < Shape.Length; i++)
                pixels[n * Shape.Length + i] = (byte)(i / Shape.W / 2 == labels[n] ? 200 : pixels[n * Shape.Length + i]
                    / 4);
        }
        return new PixelSet(Shape, byte.MaxValue, Classes, pixels, labels);
    }

    /// <summary>The same as a network reads them, normalised as the training images are.</summary>
    public static ArrayDataset Normalized(int count, int seed)
    {
        var normalization = Normalization.Of(Images(TrainCount, 1));
        var loader = new DataLoader(Images(count, seed), count,
            new DataLoaderOptions { Transforms = [normalization] });
        using Batch all = loader.Epoch(1).Single();
        return new ArrayDataset(Shape, Classes, all.Input.ToArray(), all.Classes.ToArray());
    }

    /// <summary>An IDX file's bytes.</summary>
    public static byte[] Idx(ReadOnlySpan<byte> values, params int[] sizes)
    {
        var bytes = new byte[4 + 4 * sizes.Length + values.Length];
        (bytes[2], bytes[3]) = (8, (byte)sizes.Length);
        for (int i = 0; i < sizes.Length; i++)
            BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4 + 4 * i), sizes[i]);
        values.CopyTo(bytes.AsSpan(4 + 4 * sizes.Length));
        return bytes;
    }

    /// <summary>The same, gzipped.</summary>
    public static byte[] Zip(byte[] bytes)
    {
        using var zipped = new MemoryStream();
        using (var stream = new GZipStream(zipped, CompressionLevel.Optimal, leaveOpen: true))
            stream.Write(bytes);
        return zipped.ToArray();
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private void Write(string part, int count, int seed)
    {
        PixelSet images = Images(count, seed);
        byte[] labels = [.. images.Labels.ToArray().Select(label => (byte)label)];
        System.IO.File.WriteAllBytes(File($"{part}-images-idx3-ubyte"),
            Idx(images.Pixels.Span, count, Shape.H, Shape.W));
        System.IO.File.WriteAllBytes(File($"{part}-labels-idx1-ubyte.gz"), Zip(Idx(labels, count)));
    }
}
