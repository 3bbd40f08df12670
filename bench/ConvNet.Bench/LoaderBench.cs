using BenchmarkDotNet.Attributes;
using ConvNet.Data;
using SkiaSharp;

namespace ConvNet.Bench;

/// <summary>The time per image in which a loader decodes, augments and normalises photos of 3000×2000 pixels for a
/// network of 224×224. A network that needs less time per image waits for its batches.</summary>
public class LoaderBench : IDisposable
{
    private const int Photos = 16, Width = 3000, Height = 2000, Circles = 60, Batch = 8;

    private readonly string _folder = Directory.CreateTempSubdirectory("convnet-loader-").FullName;
    private DataLoader _loader = null!;
    private int _epoch;

    /// <summary>The number of threads that prepare batches.</summary>
    [Params(1, 2)]
    public int Workers { get; set; }

    /// <summary>Whether the decoded images are in memory.</summary>
    [Params(false, true)]
    public bool Decoded { get; set; }

    /// <summary>The transforms of the images.</summary>
    [Params("none", "crop+flip", "randaugment")]
    public string Transforms { get; set; } = "none";

    [GlobalSetup]
    public void Prepare()
    {
        for (int i = 0; i < Photos; i++)
            Write(i);
        var shape = new Shape(3, 224, 224);
        var source = ImageSource.Open(_folder, new ImageSourceOptions
        {
            Shape = shape,
            Split = new DataSplit(0.5, 1),
            CacheBytes = Decoded ? long.MaxValue : 0,
        });
        Transform[] transforms = Transforms switch
        {
            "crop+flip" => [new RandomResizedCrop(224), new RandomHorizontalFlip()],
            "randaugment" => [new RandAugment()],
            _ => [],
        };
        _loader = new DataLoader(new ConcatDataset(source.Train, source.Test), Batch, new DataLoaderOptions
        {
            Shuffle = true,
            Transforms = [.. transforms.Select(each => (InputTransform)each), Normalization.Published("imagenet")],
            Workers = Workers,
        });
    }

    /// <summary>An epoch of the loader.</summary>
    [Benchmark(OperationsPerInvoke = Photos)]
    public float Epoch()
    {
        float sum = 0;
        foreach (Batch batch in _loader.Epoch(++_epoch))
        {
            using (batch)
                sum += batch.Input[0];
        }
        return sum;
    }

    [GlobalCleanup]
    public void Dispose()
    {
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    // Noise as of clouds and circles of random colours compress about as well as photos do.
    private void Write(int number)
    {
        string folder = Path.Combine(_folder, $"class{number % 2}");
        Directory.CreateDirectory(folder);
        var random = new Random(number);
        using var bitmap = new SKBitmap(new SKImageInfo(Width, Height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        using var canvas = new SKCanvas(bitmap);
        using SKShader clouds = SKShader.CreatePerlinNoiseFractalNoise(0.02f, 0.02f, 5, number);
        using var paint = new SKPaint { Shader = clouds };
        canvas.DrawRect(0, 0, Width, Height, paint);
        for (int i = 0; i < Circles; i++)
        {
            using var colour = new SKPaint
            {
                Color = new SKColor((uint)random.NextInt64(0x60000000, 0xFFFFFFFF)),
                IsAntialias = true,
            };
            canvas.DrawCircle(random.Next(Width), random.Next(Height), random.Next(20, 300), colour);
        }
        canvas.Flush();
        using SKData data = bitmap.Encode(SKEncodedImageFormat.Jpeg, 90);
        File.WriteAllBytes(Path.Combine(folder, $"photo{number}.jpg"), data.ToArray());
    }
}
