namespace ConvNet.Data;

/// <summary>How pixels become the numbers a network reads: x = (pixel / max − μ_c) / σ_c, with μ and σ of channel
/// c.</summary>
/// <remarks>
/// μ and σ are taken from the training images alone and applied to all: the test images stay unseen. A channel that is
/// the same everywhere gets σ = 1. A saved model carries them, so that it reads later images the way it was trained.
/// </remarks>
public sealed class Normalization
{
    /// <summary>Describes a normalisation.</summary>
    /// <param name="maxValue">The value of a pixel that is fully on.</param>
    /// <param name="mean">μ of every channel, of pixels between 0 and 1.</param>
    /// <param name="standardDeviation">σ of every channel, positive.</param>
    /// <exception cref="ArgumentException">The numbers of channels differ, or a value is not finite or σ not
    /// positive.</exception>
    public Normalization(byte maxValue, IReadOnlyList<float> mean, IReadOnlyList<float> standardDeviation)
    {
        ArgumentOutOfRangeException.ThrowIfZero(maxValue);
        ArgumentNullException.ThrowIfNull(mean);
        ArgumentNullException.ThrowIfNull(standardDeviation);
        if (mean.Count == 0 || mean.Count != standardDeviation.Count)
            throw new ArgumentException($"{mean.Count} means and {standardDeviation.Count} standard deviations; give "
                + "one of each for every channel.", nameof(mean));
        if (!mean.All(float.IsFinite) || !standardDeviation.All(s => s > 0 && float.IsFinite(s)))
            throw new ArgumentException($"Means {string.Join(", ", mean)} and standard deviations "
                + $"{string.Join(", ", standardDeviation)} must be finite, the latter positive.", nameof(mean));
        (MaxValue, Mean, StandardDeviation) = (maxValue, mean, standardDeviation);
    }

    /// <summary>The value of a pixel that is fully on.</summary>
    public byte MaxValue { get; }

    /// <summary>μ of every channel.</summary>
    public IReadOnlyList<float> Mean { get; }

    /// <summary>σ of every channel.</summary>
    public IReadOnlyList<float> StandardDeviation { get; }

    /// <summary>The normalisation that gives these images mean 0 and standard deviation 1 in every channel.</summary>
    public static Normalization Of(PixelSet images)
    {
        ArgumentNullException.ThrowIfNull(images);
        Shape shape = images.Shape;
        var mean = new float[shape.C];
        var deviation = new float[shape.C];
        for (int c = 0; c < shape.C; c++)
        {
            // Sums of whole numbers: exact, whatever the order.
            long sum = 0, squares = 0;
            for (int n = 0; n < images.Count; n++)
            {
                foreach (byte pixel in images.Pixels.Span.Slice((n * shape.C + c) * shape.Area, shape.Area))
                {
                    sum += pixel;
                    squares += pixel * pixel;
                }
            }
            double count = (double)images.Count * shape.Area, average = sum / count;
            double variance = Math.Max(0, squares / count - average * average);
            mean[c] = (float)(average / images.MaxValue);
            deviation[c] = variance > 0 ? (float)(Math.Sqrt(variance) / images.MaxValue) : 1f;
        }
        return new Normalization(images.MaxValue, mean, deviation);
    }

    /// <summary>The images as a network reads them.</summary>
    /// <param name="images">The pixels.</param>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentException">The images have other channels or another largest value than this
    /// normalisation is for.</exception>
    public Dataset Apply(PixelSet images, int classes)
    {
        ArgumentNullException.ThrowIfNull(images);
        Shape shape = images.Shape;
        if (shape.C != Mean.Count || images.MaxValue != MaxValue)
            throw new ArgumentException(
                $"The normalisation is for {Mean.Count} channels of 0 to {MaxValue}; these images are {shape} of 0 to "
                    + $"{images.MaxValue}. Use the data the model was trained on, or data like it.",
                nameof(images));
        var values = new float[images.Pixels.Length];
        var table = new float[256];
        for (int c = 0; c < shape.C; c++)
        {
            for (int pixel = 0; pixel < table.Length; pixel++)
                table[pixel] = ((float)pixel / MaxValue - Mean[c]) / StandardDeviation[c];
            for (int n = 0; n < images.Count; n++)
            {
                int start = (n * shape.C + c) * shape.Area;
                ReadOnlySpan<byte> pixels = images.Pixels.Span.Slice(start, shape.Area);
                for (int i = 0; i < pixels.Length; i++)
                    values[start + i] = table[pixels[i]];
            }
        }
        return new Dataset(shape, classes, values, images.Labels.ToArray());
    }
}
