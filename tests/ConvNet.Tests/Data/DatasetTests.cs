using ConvNet.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Data;

public sealed class DatasetTests
{
    private static readonly Dataset Seven =
        new(new Shape(1, 1, 2), 7, [.. Enumerable.Range(0, 14).Select(i => (float)i)], [.. Enumerable.Range(0, 7)]);

    [Test]
    public void BatchesComeInOrderAndTheLastHoldsWhatIsLeft()
    {
        List<(float[] Images, int[] Labels)> batches = Take(Seven.Batches(3));
        Assert.That(Seven.Batches(3).Count, Is.EqualTo(3));
        Assert.That(batches.Select(b => b.Labels), Is.EqualTo((int[][])[[0, 1, 2], [3, 4, 5], [6]]));
        Assert.That(batches[2].Images, Is.EqualTo((float[])[12, 13]));
    }

    [Test]
    public void AShuffledPassHasEveryImageOnceWithItsLabel()
    {
        List<(float[] Images, int[] Labels)> batches = Take(Seven.Batches(3, seed: 5, epoch: 1));
        int[] labels = [.. batches.SelectMany(b => b.Labels)];
        Assert.That(labels, Is.EquivalentTo(Enumerable.Range(0, 7)).And.Not.Ordered);
        Assert.That(batches.SelectMany(b => b.Images),
            Is.EqualTo(labels.SelectMany(label => (float[])[2 * label, 2 * label + 1])));
        Assert.That(batches.Select(b => b.Labels.Length), Is.EqualTo((int[])[3, 3, 1]));
    }

    [Test]
    public void TheOrderDependsOnSeedAndEpochAlone()
    {
        int[] order = Order(5, 1), again = Order(5, 1);
        Assert.That(again, Is.EqualTo(order));
        Assert.That(Order(5, 2), Is.Not.EqualTo(order));
        Assert.That(Order(6, 1), Is.Not.EqualTo(order));
    }

    [Test]
    public void EveryOrderIsAboutAsLikely()
    {
        var counts = new Dictionary<string, int>();
        for (int epoch = 0; epoch < 6_000; epoch++)
        {
            string order = string.Concat(Shuffle.Order(3, seed: 9, epoch));
            counts[order] = counts.GetValueOrDefault(order) + 1;
        }
        // Five standard deviations of a binomial distribution with n = 6,000 and p = 1/6.
        Assert.That(counts, Has.Count.EqualTo(6));
        Assert.That(counts.Values, Has.All.EqualTo(1_000).Within(145));
    }

    [Test]
    public void WrongArraysAreRefused()
    {
        Assert.That(() => new Dataset(new Shape(1, 2, 2), 2, new float[9], [0, 1]),
            Throws.ArgumentException.With.Message.Contains("9 values are not 2 images of 1×2×2"));
        Assert.That(() => new Dataset(new Shape(1, 1, 1), 2, new float[2], [0, 2]),
            Throws.ArgumentException.With.Message.Contains("Label 2 of image 1"));
        Assert.That(() => new Dataset(new Shape(1, 1, 1), 2, [], []), Throws.ArgumentException);
        Assert.That(() => Seven.Batches(0), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    private static int[] Order(ulong seed, int epoch)
        => [.. Take(Seven.Batches(7, seed, epoch)).SelectMany(b => b.Labels)];

    private static List<(float[] Images, int[] Labels)> Take(BatchSequence batches)
    {
        var taken = new List<(float[], int[])>();
        foreach ((ReadOnlySpan<float> images, ReadOnlySpan<int> labels) in batches)
            taken.Add((images.ToArray(), labels.ToArray()));
        return taken;
    }
}
