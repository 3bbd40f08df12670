using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>Images ready for a network, with one class label each.</summary>
/// <example><code>
/// foreach (var (images, labels) in data.Batches(64))
///     net.TrainStep(images, labels, 0.05f);
/// </code></example>
public sealed class Dataset
{
    private readonly float[] _images;
    private readonly int[] _labels;

    /// <summary>Takes images and labels; the arrays are not copied.</summary>
    /// <param name="shape">C, H, W of one image.</param>
    /// <param name="classes">The number of classes.</param>
    /// <param name="images">N×C×H×W.</param>
    /// <param name="labels">N classes, from 0 to <paramref name="classes"/> − 1.</param>
    /// <exception cref="ArgumentException">The lengths do not fit together, there is no image, or a label is out of
    /// range.</exception>
    public Dataset(Shape shape, int classes, float[] images, int[] labels)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(labels);
        shape.ThrowIfDefault("The data set", nameof(shape));
        if (labels.Length == 0 || images.Length != (long)labels.Length * shape.Length)
            throw new ArgumentException(Invariant($"{images.Length:N0} values are not {labels.Length:N0} images of ")
                + Invariant($"{shape}; give one label for every image, and at least one."), nameof(images));
        for (int i = 0; i < labels.Length; i++)
        {
            if ((uint)labels[i] >= (uint)classes)
                throw new ArgumentException(Invariant($"Label {labels[i]} of image {i:N0} is out of range: there are ")
                    + Invariant($"classes 0 to {classes - 1}."), nameof(labels));
        }
        (Shape, Classes, _images, _labels) = (shape, classes, images, labels);
    }

    /// <summary>C, H, W of one image.</summary>
    public Shape Shape { get; }

    /// <summary>The number of classes.</summary>
    public int Classes { get; }

    /// <summary>The number of images, N.</summary>
    public int Count => _labels.Length;

    /// <summary>All images, N×C×H×W.</summary>
    public ReadOnlySpan<float> Images => _images;

    /// <summary>All labels, N.</summary>
    public ReadOnlySpan<int> Labels => _labels;

    /// <summary>The images in their own order; the last batch holds what is left. Nothing is copied.</summary>
    /// <param name="batchSize">Images in a full batch.</param>
    /// <exception cref="ArgumentOutOfRangeException">The batch size is below 1.</exception>
    public BatchSequence Batches(int batchSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        return new BatchSequence(this, batchSize, null);
    }

    /// <summary>The images in a random order that seed and epoch determine; the last batch holds what is
    /// left.</summary>
    /// <param name="batchSize">Images in a full batch.</param>
    /// <param name="seed">The seed of the order.</param>
    /// <param name="epoch">The number of the pass; every pass has its own order.</param>
    /// <exception cref="ArgumentOutOfRangeException">The batch size is below 1.</exception>
    public BatchSequence Batches(int batchSize, ulong seed, int epoch)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        return new BatchSequence(this, batchSize, Shuffle.Order(Count, seed, epoch));
    }
}

/// <summary>Some images and their labels. It is valid until the next batch of the same enumeration.</summary>
public readonly ref struct Batch
{
    internal Batch(ReadOnlySpan<float> images, ReadOnlySpan<int> labels)
    {
        Images = images;
        Labels = labels;
    }

    /// <summary>N×C×H×W.</summary>
    public ReadOnlySpan<float> Images { get; }

    /// <summary>N classes.</summary>
    public ReadOnlySpan<int> Labels { get; }

    /// <summary>Takes the batch apart: <c>var (images, labels) = batch</c>.</summary>
    public void Deconstruct(out ReadOnlySpan<float> images, out ReadOnlySpan<int> labels)
    {
        images = Images;
        labels = Labels;
    }
}

/// <summary>One pass over a data set, to be used in <c>foreach</c>.</summary>
public readonly struct BatchSequence
{
    private readonly Dataset _data;
    private readonly int _batchSize;
    private readonly int[]? _order;

    internal BatchSequence(Dataset data, int batchSize, int[]? order)
        => (_data, _batchSize, _order) = (data, batchSize, order);

    /// <summary>The number of batches.</summary>
    public int Count => (_data.Count - 1) / _batchSize + 1;

    /// <summary>Starts the pass.</summary>
    public BatchEnumerator GetEnumerator() => new(_data, _batchSize, _order);
}

/// <summary>Where a pass over a data set stands. One buffer serves all its batches.</summary>
public struct BatchEnumerator
{
    private readonly Dataset _data;
    private readonly int _batchSize;
    private readonly int[]? _order;
    private readonly float[] _images;
    private readonly int[] _labels;
    private int _first, _count;

    internal BatchEnumerator(Dataset data, int batchSize, int[]? order)
    {
        int buffered = order is null ? 0 : Math.Min(batchSize, data.Count);
        (_data, _batchSize, _order) = (data, batchSize, order);
        (_images, _labels) = (new float[buffered * data.Shape.Length], new int[buffered]);
    }

    /// <summary>The batch.</summary>
    public readonly Batch Current
    {
        get
        {
            int length = _data.Shape.Length;
            return _order is null
                ? new Batch(_data.Images.Slice(_first * length, _count * length), _data.Labels.Slice(_first, _count))
                : new Batch(_images.AsSpan(0, _count * length), _labels.AsSpan(0, _count));
        }
    }

    /// <summary>Goes to the next batch; false at the end.</summary>
    public bool MoveNext()
    {
        _first += _count;
        _count = Math.Min(_batchSize, _data.Count - _first);
        int length = _data.Shape.Length;
        for (int i = 0; _order is not null && i < _count; i++)
        {
            int image = _order[_first + i];
            _data.Images.Slice(image * length, length).CopyTo(_images.AsSpan(i * length));
            _labels[i] = _data.Labels[image];
        }
        return _count > 0;
    }
}
