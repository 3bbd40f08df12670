using System.Numerics.Tensors;

namespace ConvNet.Data;

/// <summary>Encoded images with a class each, decoded when they are read.</summary>
internal sealed class LabelledImages : IDataset
{
    private readonly LabelledImage[] _images;
    private readonly Shape _shape;

    /// <summary>Makes a data set of images.</summary>
    /// <param name="images">The images.</param>
    /// <param name="shape">The shape that they are converted to.</param>
    /// <param name="classes">The number of classes.</param>
    public LabelledImages(LabelledImage[] images, Shape shape, int classes)
    {
        (_images, _shape) = (images, shape);
        (InputShapes, Targets) = ([shape], [TargetDescription.OfClasses(classes)]);
    }

    public int Count => _images.Length;

    public IReadOnlyList<InputShape> InputShapes { get; }

    public IReadOnlyList<TargetDescription> Targets { get; }

    public void Read(int index, Sample sample)
    {
        LabelledImage image = _images[index];
        TensorPrimitives.ConvertTruncating<byte, float>(image.Read(_shape), sample.Input);
        sample.Classes[0] = image.Label;
    }

    public int? ClassOf(int index) => _images[index].Label;

    public string? FileOf(int index) => _images[index].Name;
}
