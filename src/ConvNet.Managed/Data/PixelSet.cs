using System.Numerics;

namespace ConvNet.Data;

/// <summary>Images as a file holds them: one byte per value, with one class label per image.</summary>
/// <remarks>
/// Read as a data set, an input is the pixels as they are, 0 to <see cref="MaxValue"/>: a
/// <see cref="Normalization"/> makes of them what a network reads.
/// </remarks>
public sealed class PixelSet : IDataset
{
    /// <summary>Takes pixels and labels; the arrays are not copied.</summary>
    /// <param name="shape">C, H, W of one image.</param>
    /// <param name="maxValue">The value of a pixel that is fully on.</param>
    /// <param name="classes">The number of classes.</param>
    /// <param name="pixels">N×C×H×W.</param>
    /// <param name="labels">N classes, from 0 to <paramref name="classes"/> − 1.</param>
    /// <exception cref="ArgumentException">The lengths do not fit together, there is no image, or a label is out of
    /// range.</exception>
    public PixelSet(Shape shape, byte maxValue, int classes, byte[] pixels, int[] labels)
    {
        ArgumentNullException.ThrowIfNull(pixels);
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentOutOfRangeException.ThrowIfZero(maxValue);
        shape.ThrowIfDefault("The set of images", nameof(shape));
        if (labels.Length == 0 || pixels.Length != (long)labels.Length * shape.Length)
            throw new ArgumentException($"{pixels.Length:N0} pixels are not {labels.Length:N0} images of {shape}; "
                + "give one label for every image, and at least one.", nameof(pixels));
        Target = TargetDescription.OfClasses(classes);
        if (Target.FirstWrong(labels) is { } wrong)
            throw new ArgumentException(
                FormattableString.Invariant($"Label {wrong} is out of range: there are classes 0 to {classes - 1}."),
                nameof(labels));
        (Shape, MaxValue, Pixels, Labels) = (shape, maxValue, pixels, labels);
    }

    /// <inheritdoc/>
    public Shape Shape { get; }

    /// <inheritdoc/>
    public TargetDescription Target { get; }

    /// <summary>The value of a pixel that is fully on.</summary>
    public byte MaxValue { get; }

    /// <summary>N×C×H×W.</summary>
    public ReadOnlyMemory<byte> Pixels { get; }

    /// <summary>N classes.</summary>
    public ReadOnlyMemory<int> Labels { get; }

    /// <inheritdoc/>
    public int Count => Labels.Length;

    /// <inheritdoc/>
    public void Read(int index, Sample sample)
    {
        ReadOnlySpan<byte> pixels = Pixels.Span.Slice(index * Shape.Length, Shape.Length);
        Span<float> x = sample.Input;
        int i = 0;
        for (int width = Vector<float>.Count; i + 4 * width <= x.Length; i += 4 * width)
        {
            Vector.Widen(new Vector<byte>(pixels[i..]), out Vector<ushort> low, out Vector<ushort> high);
            Vector.Widen(low, out Vector<uint> first, out Vector<uint> second);
            Vector.Widen(high, out Vector<uint> third, out Vector<uint> fourth);
            Vector.ConvertToSingle(first).CopyTo(x[i..]);
            Vector.ConvertToSingle(second).CopyTo(x[(i + width)..]);
            Vector.ConvertToSingle(third).CopyTo(x[(i + 2 * width)..]);
            Vector.ConvertToSingle(fourth).CopyTo(x[(i + 3 * width)..]);
        }
        for (; i < x.Length; i++)
            x[i] = pixels[i];
        sample.Classes[0] = Labels.Span[index];
    }

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
        return new PixelSet(Shape, MaxValue, Target.Classes, pixels, labels);
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
