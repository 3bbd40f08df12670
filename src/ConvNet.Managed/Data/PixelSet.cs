using System.Numerics;

namespace ConvNet.Data;

/// <summary>Images as stored in a file: one byte per value, with one class label per image.</summary>
/// <remarks>
/// As a data set, an input contains the raw pixels, 0 to <see cref="MaxValue"/>. A <see cref="Normalization"/> converts
/// them for a network.
/// </remarks>
public sealed class PixelSet : IDataset
{
    /// <summary>Creates a set of pixels and labels. The arrays are not copied.</summary>
    /// <param name="shape">The shape C, H, W of one image.</param>
    /// <param name="maxValue">The largest pixel value.</param>
    /// <param name="classes">The number of classes.</param>
    /// <param name="pixels">The pixels, N×C×H×W.</param>
    /// <param name="labels">N class indices, from 0 to <paramref name="classes"/> − 1.</param>
    /// <exception cref="ArgumentNullException"><paramref name="pixels"/> or <paramref name="labels"/> is
    /// null.</exception>
    /// <exception cref="ArgumentException">The lengths do not match, there is no image, or a label is out of
    /// range.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxValue"/> is 0.</exception>
    public PixelSet(Shape shape, byte maxValue, int classes, byte[] pixels, int[] labels)
    {
        ArgumentNullException.ThrowIfNull(pixels);
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentOutOfRangeException.ThrowIfZero(maxValue);
        shape.ThrowIfDefault("The set of images", nameof(shape));
        if (labels.Length == 0 || pixels.Length != (long)labels.Length * shape.Length)
            throw new ArgumentException($"{labels.Length:N0} images of {shape} have "
                + $"{(long)labels.Length * shape.Length:N0} pixels, but {pixels.Length:N0} were passed. Pass one "
                + "label for each image, and at least one image.", nameof(pixels));
        Target = TargetDescription.OfClasses(classes);
        if (Target.FirstWrong(labels) is { } i)
            throw new ArgumentException(FormattableString.Invariant(
                $"Label {labels[i]} of image {i:N0} is out of range: the classes are 0 to {classes - 1}."),
                nameof(labels));
        (Shape, MaxValue, Pixels, Labels) = (shape, maxValue, pixels, labels);
        (InputShapes, Targets) = ([shape], [Target]);
    }

    /// <summary>The shape C, H, W of one image.</summary>
    public Shape Shape { get; }

    /// <summary>The description of the labels.</summary>
    public TargetDescription Target { get; }

    /// <inheritdoc/>
    public IReadOnlyList<InputShape> InputShapes { get; }

    /// <inheritdoc/>
    public IReadOnlyList<TargetDescription> Targets { get; }

    /// <summary>The largest pixel value.</summary>
    public byte MaxValue { get; }

    /// <summary>The pixels, N×C×H×W.</summary>
    public ReadOnlyMemory<byte> Pixels { get; }

    /// <summary>The N class labels.</summary>
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

    /// <inheritdoc/>
    public int? ClassOf(int index) => Labels.Span[index];

    /// <summary>Returns some of the images, in the given order.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="images"/> is null.</exception>
    /// <exception cref="ArgumentException">The selection has more pixels than an array can hold.</exception>
    public PixelSet Select(IReadOnlyList<int> images)
    {
        ArgumentNullException.ThrowIfNull(images);
        if ((long)images.Count * Shape.Length > Array.MaxLength)
            throw new ArgumentException(
                $"{images.Count:N0} images of {Shape} are too many: the limit is {Array.MaxLength:N0} pixels.",
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

    /// <summary>Splits the set in two with the same class proportions.</summary>
    /// <param name="share">The fraction of every class in the second set, rounded to whole images.</param>
    /// <param name="seed">The seed that selects the images of each set.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="share"/> is not between 0 and 1.</exception>
    public (PixelSet First, PixelSet Second) SplitStratified(double share, ulong seed)
    {
        (int[] first, int[] second) = StratifiedSplit.Of(Labels.Span, share, seed);
        return (Select(first), Select(second));
    }
}
