using System.Collections.Concurrent;
using ConvNet.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Data;

public sealed class DataLoaderTests
{
    private static readonly ArrayDataset Seven =
        new(new Shape(1, 1, 2), 7, [.. Enumerable.Range(0, 14).Select(i => (float)i)], [.. Enumerable.Range(0, 7)]);

    [Test]
    public void BatchesComeInOrderAndTheLastHoldsWhatIsLeft([Values(0, 1, 3)] int workers)
    {
        var loader = new DataLoader(Seven, 3, new DataLoaderOptions { Workers = workers });
        List<Taken> batches = Take(loader.Epoch(1));
        Assert.That((loader.BatchCount, loader.SampleCount), Is.EqualTo((3, 7)));
        Assert.That(batches.Select(b => b.Classes), Is.EqualTo((int[][])[[0, 1, 2], [3, 4, 5], [6]]));
        Assert.That(batches[2].Inputs, Is.EqualTo((float[])[12, 13]));
        Assert.That(batches.Select(b => b.Position), Is.EqualTo((LoaderPosition[])[new(1, 0), new(1, 1), new(1, 2)]));
        Assert.That(batches.Select(b => b.Next), Is.EqualTo((LoaderPosition[])[new(1, 1), new(1, 2), new(2, 0)]));
    }

    [Test]
    public void TheLastCanBeLeftOut([Values(0, 2)] int workers)
    {
        var loader = new DataLoader(Seven, 3, new DataLoaderOptions { DropLast = true, Workers = workers });
        Assert.That((loader.BatchCount, loader.SampleCount), Is.EqualTo((2, 6)));
        List<Taken> batches = Take(loader.Epoch(4));
        Assert.That(batches.Select(b => b.Classes), Is.EqualTo((int[][])[[0, 1, 2], [3, 4, 5]]));
        Assert.That(batches[1].Next, Is.EqualTo(new LoaderPosition(5, 0)));
    }

    [Test]
    public void AShuffledPassHasEverySampleOnceWithItsTarget()
    {
        List<Taken> batches = Take(Shuffled(seed: 5).Epoch(1));
        int[] labels = [.. batches.SelectMany(b => b.Classes)];
        Assert.That(labels, Is.EquivalentTo(Enumerable.Range(0, 7)).And.Not.Ordered);
        Assert.That(batches.SelectMany(b => b.Samples), Is.EqualTo(labels));
        Assert.That(batches.SelectMany(b => b.Inputs),
            Is.EqualTo(labels.SelectMany(label => (float[])[2 * label, 2 * label + 1])));
        Assert.That(batches.Select(b => b.Classes.Length), Is.EqualTo((int[])[3, 3, 1]));
    }

    [Test]
    public void TheOrderDependsOnSeedAndEpochAlone()
    {
        int[] order = Order(5, 1), again = Order(5, 1);
        Assert.That(again, Is.EqualTo(order));
        Assert.That(Order(5, 2), Is.Not.EqualTo(order));
        Assert.That(Order(6, 1), Is.Not.EqualTo(order));

        static int[] Order(ulong seed, int epoch) => [.. Take(Shuffled(seed).Epoch(epoch)).SelectMany(b => b.Classes)];
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
    public void BatchesAreTheSameForAnyNumberOfWorkersAndFromAnyPosition(
        [Values(0, 1, 2, 5, 64)] int workers, [Values(1, 3)] int ahead)
    {
        PixelSet images = TinyData.Images(TinyData.TrainCount, seed: 3);
        DataLoader Loader(int workers) => new(images, 7, new DataLoaderOptions
        {
            Shuffle = true,
            Seed = 11,
            Transforms =
            [
                .. TransformCases.Strong(images.Shape, images.MaxValue).Where(each => each is not RandomResizedCrop)
                    .Select(each => (InputTransform)each),
                new RandomResizedCrop((5, 6)), Normalization.Of(images),
            ],
            Workers = workers,
            BatchesAhead = ahead,
        });
        List<Taken> expected = Take(Loader(0).Epoch(3));
        DataLoader loader = Loader(workers);
        foreach (int first in (int[])[0, 1, 12])
        {
            List<Taken> got = Take(loader.From(new LoaderPosition(3, first)));
            Assert.That(got.Select(b => b.Text), Is.EqualTo(expected.Skip(first).Select(b => b.Text)));
        }
        Assert.That(Take(loader.Epoch(4)).Select(b => b.Text), Is.Not.EqualTo(expected.Select(b => b.Text)));
    }

    [Test]
    public void ASampleIsTransformedAlikeInBatchesOfAnySize()
    {
        PixelSet images = TinyData.Images(20, seed: 3);
        string[] Samples(int batch) => [.. Take(new DataLoader(images, batch, new DataLoaderOptions
        {
            Seed = 2,
            Transforms = [new RandomCrop((4, 4), 1), new RandomHorizontalFlip()],
        }).Epoch(2)).SelectMany(b => b.Inputs.Chunk(16)).Select(x => string.Join(' ', x))];
        Assert.That(Samples(20), Is.EqualTo(Samples(3)));
    }

    [Test]
    public void ABatchStaysUntilItIsDisposedAndItsMemoryServesAnother()
    {
        var loader = new DataLoader(Seven, 2, new DataLoaderOptions { Workers = 2, BatchesAhead = 1 });
        Batch[] kept = [.. loader.Epoch(1)];
        Assert.That(kept.Select(b => b.Input[0]), Is.EqualTo((float[])[0, 4, 8, 12]));
        foreach (Batch batch in kept)
        {
            batch.Dispose();
            batch.Dispose();
            Assert.That(() => batch.Input[0], Throws.TypeOf<ObjectDisposedException>());
            Assert.That(() => batch.Targets.AreClasses, Throws.TypeOf<ObjectDisposedException>());
        }
        Assert.That(Take(loader.Epoch(1)).SelectMany(b => b.Classes), Is.EqualTo(Enumerable.Range(0, 7)));
    }

    [Test]
    public void TargetsAreClassesValuesOrClassesPerPixel()
    {
        var values = new DataLoader(new ArrayDataset(Shape.Vector(1), [1, 2, 3], [10, 11, 20, 21, 30, 31]), 2);
        List<Taken> batches = Take(values.Epoch(1));
        Assert.That(batches.Select(b => b.Values), Is.EqualTo((float[][])[[10, 11, 20, 21], [30, 31]]));
        Assert.That(batches.Select(b => b.Classes), Has.All.Empty);
        Batch pixels = new DataLoader(new Parity(new Shape(1, 2, 2), 3), 3).Epoch(1).Single();
        Assert.That(pixels.Classes.ToArray(), Is.EqualTo((int[])[0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1]));
        Assert.That(pixels.Targets.AreClasses);
        Assert.That(pixels.Values.IsEmpty);
    }

    [Test]
    public void SeveralInputsAndTargetsHaveNames([Values(0, 2)] int workers)
    {
        var data = new ArrayDataset([("image", new Shape(1, 1, 2), [0, 1, 2, 3, 4, 5]), ("at", Shape.Vector(1),
            [10, 11, 12])], [("class", 3, [2, 1, 0]), ("pixel", 2, [0, 1, 1, 0, 1, 1]), ("box", [7, 8, 9])]);
        var loader = new DataLoader(data, 2, new DataLoaderOptions
        {
            Workers = workers,
            Transforms = [("image", new RandomHorizontalFlip(1)), ("at", new Twice())],
        });
        Batch[] batches = [.. loader.Epoch(1)];
        Assert.Multiple(() =>
        {
            Assert.That(data.Targets, Is.EqualTo((TargetDescription[])[("class", TargetDescription.OfClasses(3)),
                ("pixel", TargetDescription.OfClassesPerPixel(2, 2)), ("box", TargetDescription.OfValues(1))]));
            Assert.That(batches[0].InputOf("image").ToArray(), Is.EqualTo((float[])[1, 0, 3, 2]));
            Assert.That(batches[1].InputOf("at").ToArray(), Is.EqualTo((float[])[24]));
            Assert.That(batches[0].ClassesOf("pixel").ToArray(), Is.EqualTo((int[])[0, 1, 1, 0]));
            Assert.That(batches[1].ClassesOf("class").ToArray(), Is.EqualTo((int[])[0]));
            Assert.That(batches[0].ValuesOf("box").ToArray(), Is.EqualTo((float[])[7, 8]));
            Assert.That(batches[0].ValuesOf("class").IsEmpty && batches[0].ClassesOf("box").IsEmpty);
            Assert.That(batches[0].Targets.Outputs!.Select(of => of.Output),
                Is.EqualTo((string[])["class", "pixel", "box"]));
            Assert.That(() => batches[0].Input.Length, Throws.InvalidOperationException
                .With.Message.Contains("2 inputs, image, at"));
            Assert.That(() => batches[0].Classes.Length, Throws.InvalidOperationException
                .With.Message.Contains("3 targets, class, pixel, box"));
            Assert.That(() => batches[0].InputOf("imag").Length, Throws.ArgumentException
                .With.Message.Contains("\"image\"?"));
            Assert.That(() => data.Shape, Throws.InvalidOperationException);
        });
        Sample sample = Sample.For(data);
        data.Read(1, sample);
        Assert.That(sample.InputOf("at")[0], Is.EqualTo(11));
        Assert.That(sample.ClassesOf("pixel").ToArray(), Is.EqualTo((int[])[1, 0]));
    }

    [Test]
    public void InputsAndTargetsWithoutNamesOrTransformsOfNoInputAreRefused()
    {
        InputArray image = ("image", new Shape(1, 1, 2), [0, 1, 2, 3]), at = ("at", Shape.Vector(1), [10, 11]);
        TargetArray labels = ("class", 3, [2, 1]);
        Assert.Multiple(() =>
        {
            Refused(() => new ArrayDataset([image, at with { Name = null }], [labels]),
                "2 inputs, and one has no name");
            Refused(() => new ArrayDataset([image, image], [labels]), "two inputs named \"image\"");
            Refused(() => new ArrayDataset([image, at with { Values = [1] }], [labels]),
                "2 inputs of \"image\", but 1 of \"at\"");
            Refused(() => new ArrayDataset([], [labels]), "no input");
            Refused(() => new ArrayDataset([image, null!], [labels]), "is null", "Parameter 'inputs'");
            Refused(() => new ArrayDataset([image], [labels, null!]), "is null", "Parameter 'targets'");
            Refused(() => new ArrayDataset([image], [("class", 3, [1, 2, 0])]), "3 target labels of \"class\"",
                "2 inputs", "Parameter 'targets'");
            Refused(() => new ArrayDataset([image], [("class", 3, [1, 4])]), "Label 4 of sample 1 of \"class\"");
            Refused(() => Loader(new RandomHorizontalFlip()), "2 inputs, image, at", "RandomHorizontalFlip names none");
            Refused(() => Loader(("imag", new RandomHorizontalFlip())), "no input of the data set \"imag\"",
                "\"image\"?");
            Refused(() => new DataLoader(Seven, 2, new DataLoaderOptions { Transforms = [("image", new Twice())] }),
                "one input without a name, not \"image\"");
        });

        DataLoader Loader(InputTransform transform) => new(new ArrayDataset([image, at], [labels]), 2,
            new DataLoaderOptions { Transforms = [transform] });

        static void Refused(Func<object> make, params string[] words)
        {
            string message = Assert.Catch<ArgumentException>(() => make())!.Message;
            foreach (string word in words)
                Assert.That(message, Does.Contain(word));
        }
    }

    [Test]
    public void SamplesMayHaveNoTargets()
    {
        var loader = new DataLoader(new ArrayDataset([new InputArray(null, Shape.Vector(1), [1, 2, 3])], []), 2);
        float[][] batches = [.. loader.Epoch(1).Select(batch => batch.Input.ToArray())];
        Assert.That(batches, Is.EqualTo((float[][])[[1, 2], [3]]));
        using Batch first = loader.Epoch(1).First();
        Assert.That(() => first.Classes.Length, Throws.InvalidOperationException.With.Message.Contains("no target"));
    }

    [Test]
    public void WhatADatasetLeavesOutIsZero()
    {
        var data = new Broken(9) { LeavesOut = true };
        var loader = new DataLoader(data, 3, new DataLoaderOptions { Workers = 1, BatchesAhead = 1 });
        foreach (int epoch in (int[])[1, 2])
            Assert.That(Take(loader.Epoch(epoch)).SelectMany(b => b.Inputs), Has.All.Zero.Or.EqualTo(9));
    }

    [Test]
    public void ASampleThatCannotBeReadIsNamedWithItsFileAtItsBatch([Values(0, 1, 3)] int workers)
    {
        var loader = new DataLoader(new Broken(20) { Bad = 13 }, 3, new DataLoaderOptions { Workers = workers });
        var taken = new List<int>();
        DatasetException error = Assert.Throws<DatasetException>(() =>
        {
            foreach (Batch batch in loader.Epoch(1))
                taken.Add(batch.Position.Batch);
        })!;
        Assert.That(taken, Is.EqualTo((int[])[0, 1, 2, 3]), "what is before it is given");
        Assert.That(error.Message,
            Is.EqualTo("Sample 13 of 20 (image-13.png) cannot be read: the picture is torn"));
        Assert.That((error.Index, error.File), Is.EqualTo((13, "image-13.png")));
        Assert.That(error.InnerException, Is.TypeOf<FormatException>());
    }

    [Test]
    public void AClassThatThereIsNotIsNamedByItsSample()
    {
        var loader = new DataLoader(new Broken(20) { WrongClass = 5 }, 4);
        Assert.That(() => Take(loader.Epoch(1)), Throws.TypeOf<DatasetException>().With.Message.EqualTo(
            "Sample 5 of 20 (image-5.png) cannot be read: its class is 2, but the classes are 0 to 1."));
    }

    [Test]
    public void ATransformThatThrowsIsNamed()
    {
        var loader = new DataLoader(Seven, 4, new DataLoaderOptions { Transforms = [new Refusing()] });
        Assert.That(() => Take(loader.Epoch(1)), Throws.TypeOf<DatasetException>()
            .With.Message.EqualTo("Sample 0 of 7 (ArrayDataset) cannot be read: Refusing: not today"));
    }

    [Test]
    public void APassThatIsLeftEarlyLeavesNoWorkerBehind([Values(1, 4)] int workers)
    {
        var data = new Broken(1_000);
        var loader = new DataLoader(data, 2, new DataLoaderOptions { Workers = workers });
        foreach (Batch batch in loader.Epoch(1))
        {
            if (batch.Position.Batch == 3)
                break;
        }
        int read = data.Reads.Count;
        Assert.That(read, Is.LessThan(1_000), "workers go no further ahead than they are told");
        Thread.Sleep(50);
        Assert.That(data.Reads, Has.Count.EqualTo(read));
    }

    [Test]
    public void CancellationEndsAPassBeforeTheNextBatch([Values(0, 1, 4)] int workers)
    {
        using var source = new CancellationTokenSource();
        var loader = new DataLoader(new Broken(1_000), 2, new DataLoaderOptions { Workers = workers });
        int batches = 0;
        Assert.That(() =>
        {
            foreach (Batch batch in loader.Epoch(1, source.Token))
            {
                if (++batches == 3)
                    source.Cancel();
            }
        }, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(batches, Is.EqualTo(3));
    }

    [Test]
    public void WrongArraysAreRefused()
    {
        Assert.That(() => new ArrayDataset(new Shape(1, 2, 2), 2, new float[9], [0, 1]),
            Throws.ArgumentException.With.Message.Contains("2 inputs of 1×2×2 have 8 values, but 9 were passed"));
        Assert.That(() => new ArrayDataset(new Shape(1, 1, 1), 2, new float[2], [0, 2]),
            Throws.ArgumentException.With.Message.Contains("Label 2 of sample 1"));
        Assert.That(() => new ArrayDataset(new Shape(1, 1, 1), 2, [], []), Throws.ArgumentException);
        Assert.That(() => new ArrayDataset(new Shape(1, 1, 2), [1f, 2, 3], [1f]), Throws.ArgumentException
            .With.Message.Contains("3 values are not a whole number of inputs of 1×1×2"));
        Assert.That(() => new ArrayDataset(new Shape(1, 1, 1), [1f, 2], [1f, 2, 3]), Throws.ArgumentException
            .With.Message.Contains("3 target values cannot be divided among 2 inputs"));
        Assert.That(() => new PixelSet(new Shape(1, 1, 1), 255, 2, [1, 2], [0, 2]), Throws.ArgumentException
            .With.Message.Contains("Label 2 of image "));
    }

    [Test]
    public void OptionsThatMakeNoBatchesAreRefused()
    {
        Refused(() => new DataLoader(Seven, 0), "batch size is 0");
        Refused(() => new DataLoader(Seven, 8, new DataLoaderOptions { DropLast = true }),
            "7 samples do not fill a batch of 8");
        Refused(() => new DataLoader(Seven, 1, new DataLoaderOptions { Workers = -1 }), "number of workers is -1");
        Refused(() => new DataLoader(Seven, 1, new DataLoaderOptions { BatchesAhead = 0 }), "batches ahead is 0");
        Refused(() => new DataLoader(Seven, 1, new DataLoaderOptions { Transforms = [null!] }), "null");
        Refused(() => new DataLoader(Seven, 1, new DataLoaderOptions { Transforms = [new RandomCrop(3, 0)] }),
            "3×3 is larger than images of 1×1×2");
        Refused(() => new DataLoader(new Parity(default, 1), 1), "default shape");
        Refused(() => new DataLoader(new Parity(Shape.Vector(1), 0), 1), "0 samples");
        Refused(() => new DataLoader(Seven, 3).From(new LoaderPosition(1, 3)), "no batch 3 of epoch 1", "0 to 2");
        Refused(() => new DataLoader(Seven, 3).Epoch(0), "epochs start at 1");

        static void Refused(Func<object> make, params string[] words)
        {
            string message = Assert.Catch<ArgumentException>(() => make())!.Message;
            foreach (string word in words)
                Assert.That(message, Does.Contain(word));
        }
    }

    private static DataLoader Shuffled(ulong seed)
        => new(Seven, 3, new DataLoaderOptions { Shuffle = true, Seed = seed });

    private static List<Taken> Take(IEnumerable<Batch> batches)
    {
        var taken = new List<Taken>();
        foreach (Batch batch in batches)
        {
            using (batch)
                taken.Add(new(batch.Position, batch.Next, batch.Input.ToArray(), batch.Classes.ToArray(),
                    batch.Values.ToArray(), batch.Samples.ToArray()));
        }
        return taken;
    }

    private sealed record Taken(LoaderPosition Position, LoaderPosition Next, float[] Inputs, int[] Classes,
        float[] Values, int[] Samples)
    {
        public string Text => $"{Position} {string.Join(' ', Inputs)} {string.Join(' ', Classes)} "
            + string.Join(' ', Samples);
    }

    private sealed record Twice : Transform
    {
        public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
        {
            for (int i = 0; i < x.Length; i++)
                y[i] = 2 * x[i];
        }
    }

    private sealed record Refusing : Transform
    {
        public override void Apply(Shape shape, ReadOnlySpan<float> x, Span<float> y, RandomSequence random)
            => throw new NotSupportedException("not today");
    }

    /// <summary>A class for each pixel: whether sample and pixel are odd together.</summary>
    private sealed class Parity(Shape shape, int count) : IDataset
    {
        public int Count => count;

        public IReadOnlyList<InputShape> InputShapes => [shape];

        public IReadOnlyList<TargetDescription> Targets
            => [TargetDescription.OfClassesPerPixel(2, Math.Max(1, shape.Length))];

        public void Read(int index, Sample sample)
        {
            for (int i = 0; i < sample.Classes.Length; i++)
                sample.Classes[i] = (index + i) % 2;
        }
    }

    /// <summary>Inputs of one value, 9, from files, some of which are not as they should be.</summary>
    private sealed class Broken(int count) : IDataset
    {
        public int? Bad { get; init; }

        public int? WrongClass { get; init; }

        public bool LeavesOut { get; init; }

        public ConcurrentBag<int> Reads { get; } = [];

        public int Count => count;

        public IReadOnlyList<InputShape> InputShapes { get; } = [new Shape(1, 1, 1)];

        public IReadOnlyList<TargetDescription> Targets { get; } = [TargetDescription.OfClasses(2)];

        public void Read(int index, Sample sample)
        {
            Reads.Add(index);
            if (index == Bad)
                throw new FormatException("the picture is torn");
            if (!LeavesOut || index % 2 == 0)
                sample.Input[0] = 9;
            sample.Classes[0] = index == WrongClass ? 2 : 1;
        }

        public string? FileOf(int index) => $"image-{index}.png";
    }
}
