using ConvNet.Data;
using ConvNet.Training;
using NUnit.Framework;

namespace ConvNet.Tests.Data;

/// <summary>Mixed batches are what torchvision makes, and a function of seed, epoch and position.</summary>
public sealed class BatchTransformTests
{
    private const int Classes = 3;

    private static readonly Shape s_shape = new(1, 4, 6);

    // Every pixel of image n is n + 1, and its class is n mod 3.
    private static readonly ArrayDataset s_images = new(s_shape, Classes,
        [.. Enumerable.Range(0, 8 * s_shape.Length).Select(i => i / s_shape.Length + 1f)],
        [.. Enumerable.Range(0, 8).Select(i => i % Classes)]);

    [Test]
    public void AMixupIsTheSameBlendOfAllSamplesWithTheOneBefore()
    {
        foreach (Batch batch in Loader(5, new MixUp(0.5)).Epoch(2))
        {
            float share = batch.Values[batch.Samples[0] % Classes];
            Assert.That(share, Is.InRange(0f, 1f));
            for (int n = 0; n < batch.Count; n++)
            {
                int own = batch.Samples[n], other = batch.Samples[(n + batch.Count - 1) % batch.Count];
                Assert.That(batch.Input.Slice(n * s_shape.Length, s_shape.Length).ToArray(),
                    Has.All.EqualTo(share * (own + 1) + (1 - share) * (other + 1)).Within(1e-5f));
                var expected = new float[Classes];
                expected[own % Classes] += share;
                expected[other % Classes] += 1 - share;
                Assert.That(batch.Values.Slice(n * Classes, Classes).ToArray(), Is.EqualTo(expected).Within(1e-6f));
            }
        }
    }

    [Test]
    public void ACutMixPastesARectangleAndWeighsTargetsByArea()
    {
        var areas = new HashSet<int>();
        for (int epoch = 1; epoch <= 40; epoch++)
        {
            using Batch batch = Loader(8, new CutMix()).Epoch(epoch).Single();
            int[] pasted = [.. Enumerable.Range(0, s_shape.Length).Where(i => batch.Input[s_shape.Length + i] == 1)];
            areas.Add(pasted.Length);
            if (pasted.Length > 0)
            {
                int rows = pasted.Max(i => i / 6) - pasted.Min(i => i / 6) + 1,
                    columns = pasted.Max(i => i % 6) - pasted.Min(i => i % 6) + 1;
                Assert.That(rows * columns, Is.EqualTo(pasted.Length), "it is a rectangle");
            }
            for (int n = 0; n < batch.Count; n++)
            {
                int other = (n + 7) % 8;
                for (int i = 0; i < s_shape.Length; i++)
                    Assert.That(batch.Input[n * s_shape.Length + i],
                        Is.EqualTo(pasted.Contains(i) ? other + 1 : n + 1));
                var expected = new float[Classes];
                expected[n % Classes] += 1 - (float)pasted.Length / s_shape.Length;
                expected[other % Classes] += (float)pasted.Length / s_shape.Length;
                Assert.That(batch.Values.Slice(n * Classes, Classes).ToArray(), Is.EqualTo(expected).Within(1e-6f));
            }
        }
        Assert.That(areas, Has.Count.GreaterThan(4));
    }

    [TestCase(0.2)]
    [TestCase(1)]
    [TestCase(4)]
    public void SharesHaveABetaDistribution(double alpha)
    {
        const int Count = 20_000;
        double[] shares = [.. Enumerable.Range(0, Count)
            .Select(i => Mixing.Share(new RandomSequence(5, -7, 1, i), alpha))];
        double mean = shares.Average(), variance = shares.Average(share => (share - 0.5) * (share - 0.5)),
            expected = 1 / (4 * (2 * alpha + 1));
        Assert.That(shares, Has.All.InRange(0, 1));
        // Five standard deviations; the fourth central moment is at most 1/16.
        Assert.That(mean, Is.EqualTo(0.5).Within(5 * Math.Sqrt(expected / Count)));
        Assert.That(variance, Is.EqualTo(expected).Within(5 * Math.Sqrt(expected / 4 / Count)));
    }

    [Test]
    public void ATinyShareNeitherUnderflowsNorIsNaN() => Assert.That(Enumerable.Range(0, 200)
        .Select(i => Mixing.Share(new RandomSequence(5, -7, 1, i), 1e-6)), Has.All.InRange(0, 1));

    [Test]
    public void OneOfSeveralIsChosenForEachBatch()
    {
        DataLoader both = Loader(4, new MixUp(), new CutMix());
        var seen = new HashSet<string>();
        for (int epoch = 1; epoch <= 20; epoch++)
        {
            foreach (Batch batch in both.Epoch(epoch))
            {
                // A mixup of the images 1 and 2 has values between; a CutMix has not.
                bool isCut = !batch.Input.ContainsAnyExceptInRange(0, 9) && batch.Input.ToArray()
                    .All(value => value == MathF.Round(value));
                seen.Add(isCut ? "cut" : "mixed");
            }
        }
        Assert.That(seen, Is.EquivalentTo((string[])["cut", "mixed"]));
    }

    [Test]
    public void MixedBatchesAreTheSameForAnyNumberOfWorkersAndFromAnyPosition([Values(1, 2, 5)] int workers)
    {
        DataLoaderOptions options = new()
        {
            Shuffle = true,
            Seed = 7,
            Transforms = [.. TransformCases.Strong(s_shape, 9).Where(each => each is not RandomResizedCrop)
                .Select(each => (InputTransform)each)],
            BatchTransforms = [new MixUp(0.2), new CutMix()],
        };
        string[] expected = Texts(new DataLoader(s_images, 3, options with { Workers = 0 }), new(4, 0));
        var loader = new DataLoader(s_images, 3, options with { Workers = workers });
        Assert.That(Texts(loader, new(4, 0)), Is.EqualTo(expected));
        Assert.That(Texts(loader, new(4, 1)), Is.EqualTo(expected[1..]));
        Assert.That(Texts(loader, new(5, 0)), Is.Not.EqualTo(expected));

        static string[] Texts(DataLoader loader, LoaderPosition from) => [.. loader.From(from).Select(batch
            => $"{string.Join(' ', batch.Input.ToArray())} {string.Join(' ', batch.Values.ToArray())}")];
    }

    [Test]
    public void ANetworkTrainsOnMixedBatches()
    {
        PixelSet images = TinyData.Images(TinyData.TrainCount, seed: 3);
        var graph = new Graph(images.Shape);
        graph.Add(new Linear(TinyData.Classes), graph.Add(new Flatten(), graph.Input));
        var normalization = Normalization.Of(images);
        DataLoader train = new(images, 10, new DataLoaderOptions
        {
            Shuffle = true,
            Transforms = [normalization],
            BatchTransforms = [new MixUp(0.2), new CutMix()],
        }), test = new(images, 10, new DataLoaderOptions { Transforms = [normalization] });
        using var backend = new ManagedBackend();
        using IExecutable hard = backend.Compile(graph, new TrainingSpec(10, new SoftmaxCrossEntropy(), new Sgd())),
            soft = backend.Compile(graph, new TrainingSpec(10, new SoftmaxCrossEntropy(SoftTargets: true), new Sgd()));
        soft.Initialize(new HeNormal(1));
        TrainingResult result = new Trainer(soft, new TrainerOptions { Epochs = 8 }).Train(train, test);
        Assert.That(result.Epochs[^1].TrainAccuracy, Is.Null);
        Assert.That(result.Test!.Accuracy, Is.GreaterThan(0.9));
        Assert.That(() => new Trainer(hard, new TrainerOptions()).Train(train), Throws.ArgumentException.With.Message
            .Contains("MixUp mixes classes, but SoftmaxCrossEntropy takes one class for each sample. Use "
                + "SoftmaxCrossEntropy(SoftTargets: true)"));
        Assert.That(() => Evaluation.Of(soft, train), Throws.ArgumentException.With.Message
            .Contains("without batch transforms"));
    }

    [Test]
    public void WhatCannotBeMixedIsRefused()
    {
        var pixels = new ArrayDataset([("image", s_shape, new float[24])], [("mask", 2, new int[24])]);
        var sizes = new ArrayDataset([("image", s_shape, new float[24]), ("other", new Shape(1, 2, 2), new float[4])],
            [("class", 2, new int[1])]);
        var ignoring = new ArrayDataset([("image", s_shape, new float[24])],
            [new TargetArray("class", 2, [255]) { IgnoredClass = 255 }]);
        Refused(pixels, new MixUp(), "\"mask\" has a class for each pixel");
        Refused(sizes, new CutMix(), "\"image\" is 1×4×6 and \"other\" 1×2×2. Use MixUp");
        Refused(ignoring, new MixUp(), "\"class\" has labels 255 that have no class");
        Assert.That(() => new MixUp(0), Throws.InstanceOf<ArgumentOutOfRangeException>()
            .With.Message.Contains("mixup: alpha 0 is not in (0, ∞)"));

        static void Refused(IDataset data, BatchTransform transform, string says) => Assert.That(
            () => new DataLoader(data, 1, new DataLoaderOptions { BatchTransforms = [transform] }),
            Throws.ArgumentException.With.Message.Contains(says));
    }

    private static DataLoader Loader(int batch, params BatchTransform[] transforms)
        => new(s_images, batch, new DataLoaderOptions { Seed = 3, BatchTransforms = transforms });
}
