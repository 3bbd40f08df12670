namespace ConvNet.Data;

/// <summary>Images as a file holds them: one byte per value, with one class label per image.</summary>
public sealed class PixelSet
{
    /// <summary>Takes pixels and labels; the arrays are not copied.</summary>
    /// <param name="shape">C, H, W of one image.</param>
    /// <param name="maxValue">The value of a pixel that is fully on.</param>
    /// <param name="pixels">N×C×H×W.</param>
    /// <param name="labels">N classes, from 0.</param>
    /// <exception cref="ArgumentException">The lengths do not fit together, there is no image, or a label is
    /// negative.</exception>
    public PixelSet(Shape shape, byte maxValue, byte[] pixels, int[] labels)
    {
        ArgumentNullException.ThrowIfNull(pixels);
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentOutOfRangeException.ThrowIfZero(maxValue);
        shape.ThrowIfDefault("The set of images", nameof(shape));
        if (labels.Length == 0 || pixels.Length != (long)labels.Length * shape.Length)
            throw new ArgumentException($"{pixels.Length:N0} pixels are not {labels.Length:N0} images of {shape}; "
                + "give one label for every image, and at least one.", nameof(pixels));
        if (labels.Min() < 0)
            throw new ArgumentException($"Label {labels.Min()} is negative; classes are numbered from 0.",
                nameof(labels));
        (Shape, MaxValue, Pixels, Labels) = (shape, maxValue, pixels, labels);
    }

    /// <summary>C, H, W of one image.</summary>
    public Shape Shape { get; }

    /// <summary>The value of a pixel that is fully on.</summary>
    public byte MaxValue { get; }

    /// <summary>N×C×H×W.</summary>
    public ReadOnlyMemory<byte> Pixels { get; }

    /// <summary>N classes.</summary>
    public ReadOnlyMemory<int> Labels { get; }

    /// <summary>The number of images, N.</summary>
    public int Count => Labels.Length;

    /// <summary>Some of the images, in the order given.</summary>
    /// <exception cref="ArgumentException">They have more pixels than an array holds.</exception>
    public PixelSet Select(IReadOnlyList<int> images)
    {
        ArgumentNullException.ThrowIfNull(images);
        if ((long)images.Count * Shape.Length > Array.MaxLength)
            throw new ArgumentException(
                $"{images.Count:N0} images of {Shape} are too many: at most {Array.MaxLength:N0} pixels.",
                nameof(images));
        var pixels = new byte[images.Count * Shape.Length];
        var labels = new int[images.Count];
        for (int i = 0; i < images.Count; i++)
        {
            Pixels.Span.Slice(images[i] * Shape.Length, Shape.Length).CopyTo(pixels.AsSpan(i * Shape.Length));
            labels[i] = Labels.Span[images[i]];
        }
        return new PixelSet(Shape, MaxValue, pixels, labels);
    }

    /// <summary>Splits into two parts that have the classes in the same proportions.</summary>
    /// <param name="share">The share of every class that goes to the second part, rounded to whole images.</param>
    /// <param name="seed">The seed that decides which images go where.</param>
    public (PixelSet First, PixelSet Second) SplitStratified(double share, ulong seed)
    {
        if (share is not (> 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(share),
                $"A share of {share} leaves one part empty; give one between 0 and 1.");
        var second = new HashSet<int>();
        foreach (IGrouping<int, int> members in Enumerable.Range(0, Count).GroupBy(i => Labels.Span[i]))
        {
            int[] images = [.. members];
            int taken = (int)Math.Round(images.Length * share);
            second.UnionWith(Shuffle.Order(images.Length, seed, round: members.Key).Take(taken).Select(i => images[i]));
        }
        ILookup<bool, int> parts = Enumerable.Range(0, Count).ToLookup(second.Contains);
        return (Select([.. parts[false]]), Select([.. parts[true]]));
    }
}
