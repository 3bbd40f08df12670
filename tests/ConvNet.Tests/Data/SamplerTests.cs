using ConvNet.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Data;

/// <summary>What samplers select, and data sets made of others.</summary>
public sealed class SamplerTests
{
    // 100 samples of class 0, 10 of class 1, 1 of class 3, none of class 2.
    private static readonly int[] s_labels
        = [.. Enumerable.Repeat(0, 100), .. Enumerable.Repeat(1, 10), 3];

    private static readonly ArrayDataset s_data = new(Shape.Vector(1), 4,
        [.. Enumerable.Range(0, 111).Select(i => (float)i)], s_labels);

    [Test]
    public void EveryClassIsSelectedEquallyOften()
    {
        SampleOrder order = new ClassBalancedSampler().For(s_data);
        Assert.That(order.Count, Is.EqualTo(111));
        int[] first = order.Of(1, 1);
        foreach (int[] three in first.Chunk(3))
            Assert.That(three.Select(i => s_labels[i]), Is.EquivalentTo((int[])[0, 1, 3]));
        int[] ofOne = [.. first.Where(i => s_labels[i] == 1)];
        Assert.That(ofOne[..10], Is.Unique, "all samples of a class come before one comes again");
        Assert.That(first.Where(i => s_labels[i] == 0), Is.Unique);
        Assert.That(order.Of(1, 1), Is.EqualTo(first));
        Assert.That(order.Of(1, 2), Is.Not.EqualTo(first));
        Assert.That(order.Of(2, 1), Is.Not.EqualTo(first));
        Assert.That(Enumerable.Range(1, 20).SelectMany(epoch => order.Of(1, epoch)).Distinct().Count(),
            Is.EqualTo(111), "every sample has its turn");
        Assert.That(new ClassBalancedSampler(30).For(s_data).Of(1, 1), Has.Length.EqualTo(30));
    }

    [Test]
    public void ClassesAreReadWhereTheDataSetDoesNotTellThem()
    {
        int[] expected = new ClassBalancedSampler().For(s_data).Of(3, 4);
        Assert.That(new ClassBalancedSampler().For(new Silent(s_data)).Of(3, 4), Is.EqualTo(expected));
    }

    [Test]
    public void SamplesAreDrawnInProportionToTheirWeights()
    {
        const int Count = 40_000;
        float[] weights = [1, 0, 3, 4];
        var four = new ArrayDataset(Shape.Vector(1), 2, [0, 1, 2, 3], [0, 1, 0, 1]);
        int[] drawn = new WeightedRandomSampler(weights, numSamples: Count).For(four).Of(1, 1);
        for (int i = 0; i < 4; i++)
        {
            double expected = Count * weights[i] / 8.0;
            // Five standard deviations of a binomial distribution, or a little more.
            Assert.That(drawn.Count(sample => sample == i), Is.EqualTo(expected).Within(5 * Math.Sqrt(expected)));
        }
        int[] ofClasses = new WeightedRandomSampler((float[])[1, 3], perClass: true, numSamples: Count)
            .For(four).Of(1, 1);
        Assert.That(ofClasses.Count(sample => sample % 2 == 1), Is.EqualTo(Count * 3 / 4).Within(5 * Math.Sqrt(Count)));
    }

    [Test]
    public void WithoutReplacementTheFirstIsInProportionAndNoneComesTwice()
    {
        const int Epochs = 4_000;
        var three = new ArrayDataset(Shape.Vector(1), 2, [0, 1, 2], [0, 1, 0]);
        SampleOrder order = new WeightedRandomSampler((float[])[1, 2, 5], replacement: false).For(three);
        int[] first = new int[3];
        for (int epoch = 1; epoch <= Epochs; epoch++)
        {
            int[] drawn = order.Of(9, epoch);
            Assert.That(drawn, Is.EquivalentTo((int[])[0, 1, 2]));
            first[drawn[0]]++;
        }
        Assert.That(first[0], Is.EqualTo(Epochs / 8).Within(5 * Math.Sqrt(Epochs / 8)));
        Assert.That(first[2], Is.EqualTo(Epochs * 5 / 8).Within(5 * Math.Sqrt(Epochs / 2)));
    }

    [Test]
    public void ASampledEpochContinuesAnywhereWithAnyNumberOfWorkers([Values(1, 2, 5)] int workers,
        [Values] bool balanced)
    {
        PixelSet images = TinyData.Images(40, seed: 3);
        DataLoaderOptions options = new()
        {
            Seed = 4,
            Sampler = balanced ? new ClassBalancedSampler(50)
                : new WeightedRandomSampler((float[])[1, 2, 3], perClass: true, numSamples: 50),
            Transforms = [new RandomCrop(6, 3), new ColorJitter(0.5, 0.5)],
        };
        string[] expected = Texts(new DataLoader(images, 8, options with { Workers = 0 }), new(2, 0));
        Assert.That(expected, Has.Length.EqualTo(7));
        var loader = new DataLoader(images, 8, options with { Workers = workers });
        Assert.That((loader.BatchCount, loader.SampleCount), Is.EqualTo((7, 50)));
        Assert.That(Texts(loader, new(2, 0)), Is.EqualTo(expected));
        Assert.That(Texts(loader, new(2, 4)), Is.EqualTo(expected[4..]));

        static string[] Texts(DataLoader loader, LoaderPosition from) => [.. loader.From(from).Select(batch
            => $"{string.Join(' ', batch.Samples.ToArray())}: {string.Join(' ', batch.Input.ToArray())}")];
    }

    [Test]
    public void ASampleThatComesAgainIsTransformedAnew()
    {
        var one = new ArrayDataset(new Shape(1, 8, 8), 1, [.. Enumerable.Range(0, 64).Select(i => (float)i)], [0]);
        using Batch batch = new DataLoader(one, 6, new DataLoaderOptions
        {
            Sampler = new ClassBalancedSampler(6),
            Transforms = [new RandomCrop(4)],
        }).Epoch(1).Single();
        Assert.That(batch.Input.ToArray().Chunk(16).Select(image => image[0]).Distinct().Count(), Is.GreaterThan(2));
        Assert.That(batch.Samples.ToArray(), Has.All.Zero);
    }

    [Test]
    public void ASubsetAndAConcatenationReadFromTheirDataSets()
    {
        var some = new SubsetDataset(s_data, [110, 3, 3]);
        var all = new ConcatDataset(some, s_data, new Silent(some));
        Assert.That(all.Count, Is.EqualTo(117));
        DataLoader loader = new(all, 117);
        using Batch batch = loader.Epoch(1).Single();
        Assert.That(batch.Input.ToArray(),
            Is.EqualTo((float[])[110, 3, 3, .. Enumerable.Range(0, 111).Select(i => (float)i), 110, 3, 3]));
        Assert.That(batch.Classes.ToArray()[..3], Is.EqualTo((int[])[3, 0, 0]));
        Assert.That((all.ClassOf(0), all.ClassOf(113), all.ClassOf(114)), Is.EqualTo((3, 3, (int?)null)));
        Assert.That((all.FileOf(2), all.FileOf(114)), Is.EqualTo(((string?)null, "silent 0")));
    }

    [Test]
    public void WhatCannotBeSelectedIsRefused()
    {
        var values = new ArrayDataset(Shape.Vector(1), [1f, 2], [1f, 2]);
        Assert.Multiple(() =>
        {
            Refused(() => new ClassBalancedSampler().For(values), "ClassBalancedSampler needs one target of one class");
            Refused(() => new ClassBalancedSampler(-1), "numSamples -1 is not in [0, ∞)");
            Refused(() => new WeightedRandomSampler(default), "there are no weights");
            Refused(() => new WeightedRandomSampler((float[])[1, 2, 3]).For(values), "3 weights for 2 samples");
            Refused(() => new WeightedRandomSampler((float[])[1, 2, 3], perClass: true).For(s_data),
                "3 weights for 4 classes");
            Refused(() => new WeightedRandomSampler((float[])[0, 0, 1, 0], perClass: true).For(s_data),
                "no sample of a class with a weight above 0");
            Refused(() => new WeightedRandomSampler((float[])[1, 0], numSamples: 2, replacement: false).For(values),
                "2 samples cannot be drawn without replacement from 1");
            Refused(() => new DataLoader(s_data, 2, new DataLoaderOptions
            {
                Shuffle = true,
                Sampler = new ClassBalancedSampler(),
            }), "the order of the samples comes from ClassBalancedSampler");
            Refused(() => new SubsetDataset(s_data, []), "no samples");
            Refused(() => new SubsetDataset(s_data, [0, 111]), "111 at position 1", "0 to 110");
            Refused(() => new ConcatDataset(), "no data set");
            Refused(() => new ConcatDataset(s_data, new ArrayDataset(Shape.Vector(2), 4, [1, 2], [0])),
                "0 and 1 have different inputs");
            Refused(() => new ConcatDataset(s_data, values), "0 and 1 have different targets");
        });
        SampleOrder wrong = new(2, (_, _) => [0]);
        Assert.That(() => wrong.Of(1, 1), Throws.InvalidOperationException.With.Message.Contains("has selected 1"));

        static void Refused(Func<object> make, params string[] words)
        {
            string message = Assert.Catch<ArgumentException>(() => make())!.Message;
            foreach (string word in words)
                Assert.That(message, Does.Contain(word).IgnoreCase);
        }
    }

    /// <summary>A data set whose classes are known only by reading.</summary>
    private sealed class Silent(IDataset data) : IDataset
    {
        public int Count => data.Count;

        public IReadOnlyList<InputShape> InputShapes => data.InputShapes;

        public IReadOnlyList<TargetDescription> Targets => data.Targets;

        public void Read(int index, Sample sample) => data.Read(index, sample);

        public string? FileOf(int index) => $"silent {index}";
    }
}
