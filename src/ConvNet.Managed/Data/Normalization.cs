using System.Numerics.Tensors;

namespace ConvNet.Data;

/// <summary>Normalises pixels for a network: x = (pixel / max − μ_c) / σ_c, with μ and σ of channel
/// c.</summary>
/// <remarks>
/// μ and σ are computed from the training images only and applied to all images, so that the test images do not
/// influence them. A constant channel has σ = 1. A saved model contains the normalisation, so that later images are
/// normalised as in training.
/// </remarks>
public sealed record Normalization : Transform
{
    /// <summary>Creates a normalisation.</summary>
    /// <param name="maxValue">The largest pixel value.</param>
    /// <param name="mean">μ of every channel, for pixels scaled to 0 to 1.</param>
    /// <param name="standardDeviation">σ of every channel; positive.</param>
    /// <exception cref="ArgumentNullException"><paramref name="mean"/> or <paramref name="standardDeviation"/> is
    /// null.</exception>
    /// <exception cref="ArgumentException">The numbers of channels differ, a value is not finite, or a σ is not
    /// positive.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxValue"/> is 0.</exception>
    public Normalization(byte maxValue, IReadOnlyList<float> mean, IReadOnlyList<float> standardDeviation)
    {
        ArgumentOutOfRangeException.ThrowIfZero(maxValue);
        ArgumentNullException.ThrowIfNull(mean);
        ArgumentNullException.ThrowIfNull(standardDeviation);
        if (mean.Count == 0 || mean.Count != standardDeviation.Count)
            throw new ArgumentException($"{mean.Count} means and {standardDeviation.Count} standard deviations were "
                + "passed. Pass one of each for every channel.", nameof(mean));
        if (!mean.All(float.IsFinite) || !standardDeviation.All(s => s > 0 && float.IsFinite(s)))
            throw new ArgumentException($"The means are {string.Join(", ", mean)} and the standard deviations "
                + $"{string.Join(", ", standardDeviation)}; all must be finite, and the latter positive.",
                nameof(mean));
        (MaxValue, Mean, StandardDeviation) = (maxValue, mean, standardDeviation);
    }

    // As the reference trainings of torchvision and of the data sets use them.
    private static readonly (string Name, float[] Mean, float[] StandardDeviation)[] s_published =
    [
        ("imagenet", [0.485f, 0.456f, 0.406f], [0.229f, 0.224f, 0.225f]),
        ("cifar10", [0.4914f, 0.4822f, 0.4465f], [0.2470f, 0.2435f, 0.2616f]),
        ("cifar100", [0.5071f, 0.4865f, 0.4409f], [0.2673f, 0.2564f, 0.2762f]),
        ("mnist", [0.1307f], [0.3081f]),
        ("fashion-mnist", [0.2860f], [0.3530f]),
    ];

    /// <summary>The names of the data sets with a published normalisation.</summary>
    public static IReadOnlyList<string> PublishedNames { get; } = [.. s_published.Select(each => each.Name)];

    /// <summary>The largest pixel value.</summary>
    public byte MaxValue { get; }

    /// <summary>μ of every channel.</summary>
    public IReadOnlyList<float> Mean { get; }

    /// <summary>σ of every channel.</summary>
    public IReadOnlyList<float> StandardDeviation { get; }

    /// <summary>Returns the normalisation with the published means and standard deviations of a data set, as networks
    /// that were trained on it need it.</summary>
    /// <param name="name">One of <see cref="PublishedNames"/>.</param>
    /// <param name="maxValue">The largest pixel value.</param>
    /// <exception cref="ArgumentNullException"><paramref name="name"/> is null.</exception>
    /// <exception cref="ArgumentException">There is no such data set.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxValue"/> is 0.</exception>
    public static Normalization Published(string name, byte maxValue = byte.MaxValue)
    {
        ArgumentNullException.ThrowIfNull(name);
        return s_published.FirstOrDefault(each => each.Name == name) is (not null, var mean, var deviation)
            ? new Normalization(maxValue, mean, deviation)
            : throw NearMisses.NoSuch("published normalisation", name, PublishedNames);
    }

    /// <summary>Returns the normalisation that gives these images mean 0 and standard deviation 1 per
    /// channel.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="images"/> is null.</exception>
    public static Normalization Of(PixelSet images)
    {
        ArgumentNullException.ThrowIfNull(images);
        return Of(images, images.MaxValue);
    }

    /// <summary>Returns the normalisation that gives these inputs mean 0 and standard deviation 1 per
    /// channel.</summary>
    /// <param name="data">The training samples.</param>
    /// <param name="maxValue">The largest pixel value; 1 for inputs that are not pixels.</param>
    /// <param name="input">The name of the input; null for the only input.</param>
    /// <exception cref="ArgumentNullException"><paramref name="data"/> is null.</exception>
    /// <exception cref="ArgumentException">The data set has no such input, or several and none is named; or a mean or a
    /// standard deviation is not finite, because there are no samples or a value is NaN or infinite.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxValue"/> is 0.</exception>
    /// <exception cref="DatasetException">A sample cannot be read.</exception>
    public static Normalization Of(IDataset data, byte maxValue, string? input = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        SampleTensors.Check(data);
        var memory = new SampleMemory(1, data.InputShapes, data.Targets);
        int index = input is not null ? memory.InputIndex(input)
            : data.InputShapes.Count == 1 ? 0
            : throw new ArgumentException($"The data set has {data.InputShapes.Count} inputs; name one of "
                + $"{string.Join(", ", data.InputShapes.Select(of => of.Name))}.", nameof(input));
        Shape shape = data.InputShapes[index].Shape;
        double[] sums = new double[shape.C], squares = new double[shape.C];
        var reader = new SampleReader(data, []);
        // Pixels are whole numbers, so their sums are exact in any order.
        for (int n = 0; n < data.Count; n++)
        {
            reader.Read(n, 0, 0, memory, 0);
            ReadOnlySpan<float> x = memory.Input(index, 0);
            for (int c = 0; c < shape.C; c++)
            {
                double sum = 0, square = 0;
                foreach (float value in x.Slice(c * shape.Area, shape.Area))
                {
                    sum += value;
                    square += (double)value * value;
                }
                sums[c] += sum;
                squares[c] += square;
            }
        }
        float[] mean = new float[shape.C], deviation = new float[shape.C];
        for (int c = 0; c < shape.C; c++)
        {
            double count = (double)data.Count * shape.Area, average = sums[c] / count;
            double variance = Math.Max(0, squares[c] / count - average * average);
            mean[c] = (float)(average / maxValue);
            deviation[c] = variance > 0 ? (float)(Math.Sqrt(variance) / maxValue) : 1f;
        }
        return new Normalization(maxValue, mean, deviation);
    }

    /// <summary>Throws if the images do not match the normalisation.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="images"/> is null.</exception>
    /// <exception cref="ArgumentException">The number of channels or the largest pixel value differs.</exception>
    public void CheckFor(PixelSet images)
    {
        ArgumentNullException.ThrowIfNull(images);
        CheckFor(images.Shape, images.MaxValue);
    }

    /// <summary>Throws if images do not match the normalisation.</summary>
    /// <param name="shape">The shape C, H, W of an image.</param>
    /// <param name="maxValue">The largest pixel value.</param>
    /// <exception cref="ArgumentException">The number of channels or the largest pixel value differs.</exception>
    public void CheckFor(Shape shape, byte maxValue)
    {
        if (shape.C != Mean.Count || maxValue != MaxValue)
            throw new ArgumentException(
                $"The normalisation is for {Mean.Count} channels with values from 0 to {MaxValue}, but the images are "
                + $"{shape} with values from 0 to {maxValue}. Use images of the form that the model was trained on.");
    }

    /// <inheritdoc/>
    public override Shape Infer(Shape input) => input.C == Mean.Count
        ? input
        : throw new ArgumentException($"The normalisation is for {Mean.Count} channels, but the inputs are {input}. "
            + "Create one from the training data.", nameof(input));

    /// <inheritdoc/>
    public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
    {
        TensorPrimitives.Divide(x, (float)MaxValue, y);
        for (int c = 0; c < shape.C; c++)
        {
            Span<float> channel = y.Slice(c * shape.Area, shape.Area);
            TensorPrimitives.Subtract(channel, Mean[c], channel);
            TensorPrimitives.Divide(channel, StandardDeviation[c], channel);
        }
    }

    /// <inheritdoc/>
    public bool Equals(Normalization? other) => other is not null && MaxValue == other.MaxValue
        && Mean.SequenceEqual(other.Mean) && StandardDeviation.SequenceEqual(other.StandardDeviation);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(MaxValue, Mean[0], StandardDeviation[0]);

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(Normalization), (nameof(MaxValue), MaxValue),
        (nameof(Mean), Mean), (nameof(StandardDeviation), StandardDeviation));
}
