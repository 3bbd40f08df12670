using NUnit.Framework;

namespace ConvNet.Tests.Training;

/// <summary>How gradients are divided into buckets.</summary>
public sealed class GradientBucketSizeTests
{
    // From the end: 2 + 8, 4 + 12, 3 + 9, 3 + 9 values.
    private static readonly Graph s_graph = Sequential.Of(Shape.Vector(3), new Linear(3), new Linear(3), new Linear(4),
        new Linear(2));

    [Test]
    public void TheFirstAndTheLastAreSmaller()
        => Assert.That(Values(100, 12), Is.EqualTo((int[][])[[8, 2], [12, 4, 9, 3], [9, 3]]));

    [Test]
    public void WithoutASmallerFirstBucketTheLastIsNotDivided()
        => Assert.That(Values(100, null).Single().Sum(), Is.EqualTo(50));

    [Test]
    public void ALastBucketThatIsSmallIsNotDivided()
    {
        int[][] buckets = Values(16, 16);
        Assert.That(buckets.Select(bucket => bucket.Sum()), Is.All.LessThanOrEqualTo(16));
        Assert.That(buckets[^1], Has.Length.EqualTo(2));
    }

    [Test]
    public void EveryGradientIsInOneBucket([Values(1, 7, 13, 30, 1000)] int bytes, [Values(1, 9, 1000)] int first)
        => Assert.That(Values(bytes, first).SelectMany(bucket => bucket), Is.EqualTo(Values(1000, null)[0]));

    // The numbers of values of the parameters in each bucket.
    private static int[][] Values(int values, int? first) => [.. GradientBuckets.Of(s_graph, FrozenParameters.None,
        new TrainingSpec(1, new MeanSquaredError(), new Sgd())
        {
            GradientBucketBytes = values * sizeof(float),
            FirstGradientBucketBytes = first * sizeof(float),
        }).Select(bucket => bucket.Select(parameter => parameter.Length).ToArray())];
}
