using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Data;

/// <summary>What holds for every built-in transform.</summary>
public sealed class TransformPropertyTests
{
    private const int Items = 60;

    private static readonly Shape[] s_shapes = [new(3, 9, 7), new(1, 6, 8)];

    [Test]
    public void EveryKindIsAmongTheCases() => Assert.That(
        TransformCases.Strong(s_shapes[0], 255).Select(each => each.Declaration!.Kind).Distinct(),
        Is.EquivalentTo(Transform.BuiltIn.Declarations.Select(each => each.Kind)));

    [Test]
    public void SettingsOfNoStrengthChangeNothing([ValueSource(nameof(s_shapes))] Shape shape,
        [Values(255, 16)] int maxValue)
    {
        foreach (Transform transform in TransformCases.Identities(shape, maxValue))
        {
            for (int item = 0; item < 5; item++)
            {
                float[] x = Image(shape, maxValue, item);
                Assert.That(Apply(transform, shape, x, item), Is.EqualTo(x), $"{transform}");
            }
        }
    }

    [Test]
    public void ResultsAreInRangeRepeatableAndRandom([ValueSource(nameof(s_shapes))] Shape shape,
        [Values(255, 16)] int maxValue)
    {
        foreach (Transform transform in TransformCases.Strong(shape, maxValue))
        {
            var seen = new HashSet<string>();
            float[] x = Image(shape, maxValue, 1), before = [.. x];
            for (int item = 0; item < Items; item++)
            {
                float[] y = Apply(transform, shape, x, item);
                Assert.That(y, Has.All.InRange(0, maxValue * (1 + 1e-6f)), $"{transform}");
                Assert.That(Apply(transform, shape, x, item), Is.EqualTo(y), $"{transform}");
                seen.Add(string.Join(' ', y));
            }
            Assert.That(x, Is.EqualTo(before), $"{transform} changed its input");
            int expected = transform is RandomHorizontalFlip or RandomVerticalFlip or AlternatingFlip
                || (transform is RandomGrayscale && shape.C > 1) ? 2 : transform is RandomGrayscale ? 1 : 8;
            Assert.That(seen, expected == 8 ? Has.Count.GreaterThanOrEqualTo(8) : Has.Count.EqualTo(expected),
                $"{transform}");
        }
    }

    [Test]
    public void EveryTransformComesBackFromAFile()
    {
        Transform[] all = [.. TransformCases.Strong(s_shapes[0], 16), .. TransformCases.Identities(s_shapes[0], 255)];
        var training = new SavedTraining(new TrainingSpec(2, new SoftmaxCrossEntropy(), new Sgd()),
            new TrainerOptions(), new DataLoaderOptions { Transforms = [.. all] }, 4, TrainingProgress.Start);
        SavedTraining read = TrainingJson.Read(TrainingJson.Write(training, null), "here", null, new TrainingKinds());
        Assert.That(read.Loader.Transforms.Select(each => each.Transform), Is.EqualTo(all));
    }

    private static float[] Image(Shape shape, int maxValue, int seed)
    {
        var random = new RandomSequence((ulong)seed, -9);
        return [.. Enumerable.Range(0, shape.Length).Select(_ => (float)random.Between(0, maxValue))];
    }

    private static float[] Apply(Transform transform, Shape shape, float[] x, int item)
    {
        // A transform computes all values, whatever was in the memory.
        float[] y = [.. Enumerable.Repeat(float.NaN, transform.Infer(shape).Length)];
        transform.Apply(shape, x, y, new RandomSequence(3, 0, 1, item));
        return y;
    }
}
