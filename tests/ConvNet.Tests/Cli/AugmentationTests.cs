using System.Text.Json;
using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>The options of <c>train</c> that transform, mix and select the training images.</summary>
public sealed class AugmentationTests
{
    private TinyData _data = null!;

    [OneTimeSetUp]
    public void WriteData() => _data = new TinyData();

    [OneTimeTearDown]
    public void DeleteData() => _data.Dispose();

    [Test]
    public void TransformsAreInTheirOrderWithTheSizeAndTheRangeOfTheImages()
    {
        string file = _data.File("transforms.safetensors");
        JsonElement json = Train("--augment", "randomresizedcrop:scale=0.5,1,ratio=1,1", "--augment",
            "randomaffine:degrees=10,interpolation=nearest", "--crop", "1", "--flip", "--augment",
            "randaugment:numOps=1", "--augment", "randomcrop:size=6x6,padding=1x0,paddingMode=reflect",
            "--save", file, "--json").Json();
        Assert.That(json.GetProperty("augment").EnumerateArray().Select(each => each.GetString()), Is.EqualTo((string[])
            ["randomhorizontalflip", "randomcrop:size=6×6,padding=1×1",
                "randomresizedcrop:size=6×6,scale=0.5,1,ratio=1,1",
                "randomaffine:degrees=-10,10,interpolation=nearest", "randaugment:numOps=1",
                "randomcrop:size=6×6,padding=1×0,paddingMode=reflect"]));
        Assert.That(json.GetProperty("mixing").GetArrayLength(), Is.Zero);
        Assert.That(json.GetProperty("sampler").ValueKind, Is.EqualTo(JsonValueKind.Null));
        DataLoaderOptions loader = SavedModel.Load(file).Training!.Loader;
        Assert.That(loader.Transforms.SkipLast(1).Select(each => each.Transform), Is.EqualTo((Transform[])
            [new RandomHorizontalFlip(), new RandomCrop(6, 1), new RandomResizedCrop(6, (0.5, 1), (1, 1)),
                new RandomAffine(10, interpolation: Interpolation.Nearest), new RandAugment(1),
                new RandomCrop(6, (1, 0), PadMode.Reflect)]));
        Assert.That(loader.Transforms[^1].Transform, Is.TypeOf<Normalization>());
    }

    [Test]
    public void AResumedTrainingKeepsThemUnlessTheCommandSaysOtherwise([Values("managed", "native")] string backend)
    {
        string whole = _data.File($"whole-{backend}"), half = _data.File($"half-{backend}"),
            rest = _data.File($"rest-{backend}"), plain = _data.File($"plain-{backend}");
        string[] options = ["--augment", "cutout:length=2", "--augment", "alternatingflip", "--mixup", "0.2",
            "--cutmix", "1", "--sampler", "balanced:numSamples=70", "--lr", "0.01", "--backend", backend,
            "--schedule", "constant"];
        Train([.. options, "--epochs", "3", "--save", whole]).Succeeds();
        Train([.. options, "--epochs", "1", "--save", half]).Succeeds();
        Load(half, "--epochs", "3", "--backend", backend, "--save", rest).Succeeds();
        Assert.That(File.ReadAllBytes(rest), Is.EqualTo(File.ReadAllBytes(whole)));
        SavedTraining training = SavedModel.Load(rest).Training!;
        Assert.That(training.Loader.BatchTransforms, Is.EqualTo((BatchTransform[])[new MixUp(0.2), new CutMix(1)]));
        Assert.That(training.Loader.Sampler, Is.EqualTo(new ClassBalancedSampler(70)));
        Assert.That(training.Loader.Shuffle, Is.False);
        Assert.That(training.Spec.Losses[0].Loss, Is.EqualTo(new SoftmaxCrossEntropy(SoftTargets: true)));

        Load(rest, "--epochs", "4", "--backend", backend, "--save", plain, "--augment", "none", "--mixup", "0",
            "--sampler", "none").Succeeds();
        training = SavedModel.Load(plain).Training!;
        Assert.That(training.Loader.Transforms, Has.Count.EqualTo(1), "the normalisation remains");
        Assert.That((training.Loader.BatchTransforms.Count, training.Loader.Sampler, training.Loader.Shuffle),
            Is.EqualTo((0, (Sampler?)null, true)));
        Assert.That(training.Spec.Losses[0].Loss, Is.EqualTo(new SoftmaxCrossEntropy()));
        CommandLine.Run("eval", "--load", rest, "--data", _data.Folder, "--backend", backend).Succeeds();
    }

    [Test]
    public void MixedBatchesHaveNoTrainingAccuracy()
    {
        string page = _data.File("page.html");
        CommandLine run = Train("--mixup", "0.4", "--loss-option", "labelSmoothing=0.1", "--sampler",
            "weighted:weights=1,2,1,perClass=true", "--report", page, "--json");
        JsonElement json = run.Json();
        Assert.That(json.GetProperty("mixing").EnumerateArray().Single().GetString(), Is.EqualTo("mixup:alpha=0.4"));
        Assert.That(json.GetProperty("sampler").GetString(), Is.EqualTo("weighted:weights=1,2,1,perClass=true"));
        JsonElement epoch = json.GetProperty("epochs")[0];
        Assert.That(epoch.GetProperty("trainAccuracy").ValueKind, Is.EqualTo(JsonValueKind.Null));
        Assert.That(epoch.GetProperty("testAccuracy").GetDouble(), Is.InRange(0, 1));
        Assert.That(run.Error, Does.Contain("waited for ").And.Not.Contain("train  "));
        Assert.That(File.ReadAllText(page), Does.Contain("mixup:alpha=0.4"));
    }

    [Test]
    public void StallsAreCountedForEachEpoch()
    {
        JsonElement[] epochs = [.. Train("--workers", "0", "--epochs", "2", "--json").Json().GetProperty("epochs")
            .EnumerateArray()];
        foreach (JsonElement epoch in epochs)
        {
            Assert.That(epoch.GetProperty("stalls").GetInt32(), Is.EqualTo(12), "no batch is made ahead");
            Assert.That(epoch.GetProperty("stallSeconds").GetDouble(),
                Is.GreaterThan(0).And.LessThan(epoch.GetProperty("seconds").GetDouble()));
        }
        Assert.That(Train("--workers", "0").Output, Does.Contain("waited for 12 batches, "));
    }

    [Test]
    public void PublishedMeansNormalise()
    {
        string file = _data.File("mnist.safetensors");
        Train("--normalize", "mnist", "--save", file).Succeeds();
        Assert.That(SavedModel.Load(file).Normalization, Is.EqualTo(Normalization.Published("mnist")));
        Train("--normalize", "imagenet").IsRefusedWith("--normalize imagenet is for images of 3 channels, but "
            + "these have 1", "--normalize data");
        Load(file, "--normalize", "mnist", "--epochs", "2", "--backend", "managed")
            .IsRefusedWith("the loaded model has a normalisation");
    }

    [TestCase("--augment cutouts", "--augment cutouts: There is no transform \"cutouts\"", "\"cutout\"?")]
    [TestCase("--augment cutout", "--augment cutout: \"length\" is missing")]
    [TestCase("--augment cutout:size=3", "cutout has the attributes length, value")]
    [TestCase("--augment cutout:length", "give the attribute a value, as in length=1")]
    [TestCase("--augment randomcrop:padding", "give the attribute a value, as in padding=0×0")]
    [TestCase("--augment randomerasing:probability=2", "randomerasing: probability 2 is not in [0, 1]")]
    [TestCase("--augment alternatingflip:p=1", "alternatingflip has no attributes")]
    [TestCase("--augment gaussianblur:kernelSize=13", "Use a kernel of at most 11")]
    [TestCase("--augment randomaffine:scale=2", "randomaffine: scale -2,2 is not in (0, ∞), in ascending order")]
    [TestCase("--augment randomresizedcrop:scale=1,2,3", "\"scale\" must be a number or [least, most]")]
    [TestCase("--sampler weighted", "weighted: there are no weights")]
    [TestCase("--sampler even", "--sampler even: There is no sampler \"even\". Use one of balanced, weighted")]
    [TestCase("--mixup -1", "--mixup is \"-1\"; it takes a finite number at least 0")]
    [TestCase("--mixup 0.2 --loss svm", "the loss svm does not take", "Use --loss softmax")]
    [TestCase("--cutmix 1 --loss-option ignoreClass=3", "no class can be ignored")]
    public void WhatIsWrongIsNamed(string options, params string[] says)
        => Train(options.Split(' ')).IsRefusedWith(says);

    private CommandLine Train(params string[] more)
    {
        string[] backend = more.Contains("--backend") ? [] : ["--backend", "managed"],
            epochs = more.Contains("--epochs") ? [] : ["--epochs", "1"];
        return CommandLine.Run(["train", .. backend, "--data", _data.Folder, "--model", _data.Model, "--batch", "8",
            .. epochs, .. more]);
    }

    private CommandLine Load(string file, params string[] more)
        => CommandLine.Run(["train", "--load", file, "--data", _data.Folder, .. more]);
}
