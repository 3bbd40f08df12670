using ConvNet.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Truth;

/// <summary>Transforms of images, against torchvision's.</summary>
[TestFixture]
public sealed class TransformTruthTests
{
    private const float MaxValue = 255;

    // torchvision's positions in affine transforms and weights of blurs have single precision, and those of its grey
    // add up to 0.9999. The errors are relative to the largest value.
    private const double Tolerance = 3e-6, OfPositions = 3e-5, OfGrey = 1.3e-4;

    private static readonly Func<TruthCase, bool> s_isRandAugment = known => Kind(known) == "randaugment";

    public static IEnumerable<TruthCase> Cases => All.Where(known => !s_isRandAugment(known));

    public static IEnumerable<TestCaseData> AugmentCases => All.Where(s_isRandAugment)
        .GroupBy(known => (Shape: ShapeOf(known, "shape"), Magnitude: Integer(known, "magnitude")))
        .Select(group => new TestCaseData(group.Key.Shape, group.Key.Magnitude, group.ToArray())
            .SetArgDisplayNames($"{group.Key.Shape}", $"magnitude {group.Key.Magnitude}"));

    private static IEnumerable<TruthCase> All => TruthTable.Cases("transforms.json");

    [TestCaseSource(nameof(Cases))]
    public void AgreesWithTorchvision(TruthCase known)
    {
        Shape shape = ShapeOf(known, "shape"), result = ShapeOf(known, "result");
        float[] y = Apply(known, shape, known.Floats("x"), result);
        TruthTable.AssertAgree(Array.ConvertAll(y, value => (double)value), known.Values("y"), "y",
            ToleranceOf(known, Kind(known) is "affine" or "blur"));
    }

    [TestCaseSource(nameof(AugmentCases))]
    public void RandAugmentMakesTorchvisionsChanges(Shape shape, int magnitude, TruthCase[] changes)
    {
        var augment = new RandAugment(1, magnitude, 11, maxValue: MaxValue);
        float[] x = changes[0].Floats("x"), y = new float[x.Length];
        var seen = new HashSet<TruthCase>();
        for (int item = 0; item < 1_000; item++)
        {
            augment.Apply(shape, x, y, new RandomSequence(1, 0, 1, item));
            TruthCase[] alike = [.. changes.Where(known => Agree(y, known.Values("y"), ToleranceOf(known, true)))];
            Assert.That(alike, Is.Not.Empty, $"the change of item {item} is none of torchvision's");
            seen.UnionWith(alike);
        }
        Assert.That(seen, Is.EquivalentTo(changes), "changes that occur");
    }

    private static bool Agree(float[] got, double[] want, double tolerance)
        => got.Zip(want).All(pair => Math.Abs(pair.First - pair.Second) <= tolerance * MaxValue);

    private static float[] Apply(TruthCase known, Shape shape, float[] x, Shape result)
    {
        float[] y = new float[result.Length];
        if (InPlace(known, shape) is { } change)
        {
            x.CopyTo(y, 0);
            change(y);
        }
        else if (Kind(known) == "affine")
        {
            AffineMap.Of(shape, Number(known, "degrees"), Number(known, "right"), Number(known, "down"),
                Number(known, "scale"), Number(known, "shearX"), Number(known, "shearY")).Apply(shape, x, y,
                Enum.Parse<Interpolation>(Text(known, "interpolation"), ignoreCase: true),
                (float)Number(known, "fill"));
        }
        else
        {
            Transform transform = TransformOf(known, shape, result);
            Assert.That(transform.Infer(shape), Is.EqualTo(result));
            transform.Apply(shape, x, y, new RandomSequence(1, 0, 1, 0));
        }
        return y;
    }

    private static Action<float[]>? InPlace(TruthCase known, Shape shape)
    {
        float factor = known.Has("factor") ? (float)Number(known, "factor") : 0;
        return Kind(known) switch
        {
            "brightness" => y => ImageColors.Brightness(y, factor, MaxValue),
            "contrast" => y => ImageColors.Contrast(shape, y, factor, MaxValue),
            "saturation" => y => ImageColors.Saturation(shape, y, factor, MaxValue),
            "sharpness" => y => ImageLevels.Sharpness(shape, y, factor, MaxValue),
            "hue" => y => ImageColors.Hue(shape, y, factor),
            "posterize" => y => ImageLevels.Posterize(y, Integer(known, "bits"), MaxValue),
            "solarize" => y => ImageLevels.Solarize(y, (float)Number(known, "threshold"), MaxValue),
            "autocontrast" => y => ImageLevels.AutoContrast(shape, y, MaxValue),
            "equalize" => y => ImageLevels.Equalize(shape, y, MaxValue),
            _ => null,
        };
    }

    // Transforms whose settings leave nothing to chance.
    private static Transform TransformOf(TruthCase known, Shape shape, Shape result)
    {
        switch (Kind(known))
        {
            case "greyscale":
                return new RandomGrayscale(1);
            case "horizontal flip":
                return new RandomHorizontalFlip(1);
            case "vertical flip":
                return new RandomVerticalFlip(1);
            case "blur":
                return new GaussianBlur(Integer(known, "kernelSize"), (Number(known, "sigma"), Number(known, "sigma")));
            case "resize":
                double ratio = (double)shape.W / shape.H;
                return new RandomResizedCrop((result.H, result.W), (1, 1), (ratio, ratio));
            case "pad":
                double[] padding = known.Values("padding");
                return new RandomCrop((result.H, result.W), ((int)padding[0], (int)padding[1]),
                    Enum.Parse<PadMode>(Text(known, "mode"), ignoreCase: true));
            default:
                throw new ArgumentException($"{Kind(known)} is no transform of the tests.", nameof(known));
        }
    }

    private static double ToleranceOf(TruthCase known, bool hasPositions)
        => known.Json.GetProperty("grey").GetBoolean() ? OfGrey : hasPositions ? OfPositions : Tolerance;

    private static string Kind(TruthCase known) => Text(known, "transform");

    private static string Text(TruthCase known, string name) => known.Json.GetProperty(name).GetString()!;

    private static double Number(TruthCase known, string name) => known.Json.GetProperty(name).GetDouble();

    private static int Integer(TruthCase known, string name) => known.Json.GetProperty(name).GetInt32();

    private static Shape ShapeOf(TruthCase known, string name)
        => known.Values(name) is [double c, double h, double w] ? new((int)c, (int)h, (int)w) : default;
}
