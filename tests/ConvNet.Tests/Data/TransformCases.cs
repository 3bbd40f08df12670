using ConvNet.Data;

namespace ConvNet.Tests.Data;

/// <summary>Transforms of every built-in kind.</summary>
internal static class TransformCases
{
    /// <summary>Transforms that change almost every image of a shape.</summary>
    public static IReadOnlyList<Transform> Strong(Shape shape, float maxValue) =>
    [
        new RandomHorizontalFlip(), new RandomVerticalFlip(), new AlternatingFlip(),
        new RandomCrop((shape.H, shape.W), 2), new RandomCrop((shape.H, shape.W), 2, PadMode.Reflect),
        new RandomCrop((shape.H, shape.W), 2, PadMode.Replicate), new RandomResizedCrop((shape.H, shape.W)),
        new RandomResizedCrop((2 * shape.H, shape.W - 1)),
        new RandomAffine(180, 0.3, 0.2, (0.5, 2), 20, (-10, 30), fill: maxValue / 2),
        new RandomAffine(45, interpolation: Interpolation.Nearest), new ColorJitter(0.8, 0.9, 3, 0.5, maxValue),
        new RandomGrayscale(0.5), new GaussianBlur(5, (0.5, 3)), new RandomErasing(0.9, value: maxValue),
        new Cutout(3, maxValue / 4), new RandAugment(3, 30, fill: maxValue / 2, maxValue: maxValue),
    ];

    /// <summary>Transforms whose settings change nothing.</summary>
    public static IReadOnlyList<Transform> Identities(Shape shape, float maxValue) =>
    [
        new RandomHorizontalFlip(0), new RandomVerticalFlip(0), new RandomCrop((shape.H, shape.W)),
        new RandomResizedCrop((shape.H, shape.W), (1, 1), ((double)shape.W / shape.H, (double)shape.W / shape.H)),
        new RandomAffine(), new RandomAffine(interpolation: Interpolation.Nearest, fill: 7),
        new ColorJitter(maxValue: maxValue), new RandomGrayscale(0), new GaussianBlur(1), new RandomErasing(0),
    ];
}
