using System.Text.Json;
using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using NUnit.Framework;
using SkiaSharp;

namespace ConvNet.Tests.Cli;

/// <summary>Training and evaluation with data from elsewhere.</summary>
public sealed class DataTests
{
    private const int Count = 30;

    private static readonly string[] s_classes = ["across", "down"];

    private TemporaryFolder _folder = null!;

    [SetUp]
    public void WriteImages()
    {
        _folder = new TemporaryFolder();
        File.WriteAllText(Model, """
            { "format": "convnet-graph", "version": 1, "input": [3, 8, 8], "nodes": [
              { "layer": "conv", "outChannels": 4, "kernelSize": 3, "padding": 1 }, { "layer": "relu" },
              { "layer": "maxpool", "kernelSize": 2 }, { "layer": "flatten" },
              { "layer": "linear", "outFeatures": 2 } ] }
            """);
        for (int label = 0; label < s_classes.Length; label++)
        {
            Directory.CreateDirectory(_folder.File($"images/{s_classes[label]}"));
            for (int i = 0; i < Count; i++)
                File.WriteAllBytes(Image(label, i), Stripes(label, i));
        }
    }

    [TearDown]
    public void DeleteImages() => _folder.Dispose();

    private string Images => _folder.File("images");

    private string Model => _folder.File("tiny.json");

    private string Saved => _folder.File("saved.safetensors");

    [Test]
    public void AFolderOfImagesIsLearnedEvaluatedAndResumedOnTheSameTestImages()
    {
        JsonElement trained = Train("--epochs", "5", "--seed", "5", "--save", Saved, "--json").Json();
        Assert.That(trained.GetProperty("testAccuracy").GetDouble(), Is.EqualTo(1));
        Assert.That(trained.GetProperty("skippedImages").ValueKind, Is.EqualTo(JsonValueKind.Null));
        SavedTraining training = SavedModel.Load(Saved).Training!;
        Assert.That((training.Split, training.Samples), Is.EqualTo(((DataSplit?)new DataSplit(0.2, 5), 48)));

        CommandLine evaluated = CommandLine.Run("eval", "--load", Saved, "--data", Images, "--backend", "managed");
        Assert.That(evaluated.Output, Does.Contain("test accuracy 100.00% (12 of 12)").And.Contain("0 across")
            .And.Contain("1 down"), evaluated.Error);

        CommandLine.Run("train", "--load", Saved, "--epochs", "6", "--seed", "6", "--backend", "managed", "--save",
            Saved).Succeeds();
        Assert.That(SavedModel.Load(Saved).Training!.Split, Is.EqualTo(new DataSplit(0.2, 5)));
        CommandLine.Run("train", "--weights", Saved, "--data", Images, "--test-share", "0.5", "--epochs", "1",
            "--backend", "managed", "--save", Saved).Succeeds();
        Assert.That(SavedModel.Load(Saved).Training!.Split, Is.EqualTo(new DataSplit(0.5, 5)));
    }

    [Test]
    public void ABadImageIsAnErrorBeforeTheTrainingOrIsSkippedAndReported()
    {
        File.WriteAllText(Image(0, 4), "Not a picture.");
        File.WriteAllBytes(Image(1, 2), File.ReadAllBytes(Image(1, 2))[..60]);
        Train("--epochs", "1", "--save", Saved).IsRefusedWith(Image(0, 4), "neither JPEG", "--on-bad-image skip");
        Assert.That(File.Exists(Saved), Is.False);

        CommandLine run = Train("--epochs", "1", "--on-bad-image", "skip", "--json");
        JsonElement skipped = run.Json().GetProperty("skippedImages");
        Assert.Multiple(() =>
        {
            Assert.That(skipped.GetProperty("count").GetInt32(), Is.EqualTo(2));
            Assert.That(skipped.GetProperty("files").EnumerateArray().Select(file
                => file.GetProperty("file").GetString()), Is.EqualTo((string[])[Image(0, 4), Image(1, 2)]));
            Assert.That(run.Error, Does.Contain($"2 files: {Image(0, 4)}, {Image(1, 2)}."));
        });
    }

    [Test]
    public void ResizeAndItsFormsFitTheNetworkOrAreRefused()
    {
        CommandLine run = CommandLine.Run("train", "--data", Images, "--resize", "1x8x12", "--epochs", "1", "--backend",
            "managed");
        Assert.That(run.Output, Does.Contain("48 images of 1×8×12"), run.Error);
        CommandLine.Run("train", "--data", Images).IsRefusedWith(Images, "--resize 32", "--model");
        CommandLine.Run("train", "--data", Images, "--resize", "8x").IsRefusedWith("is not a shape");
        CommandLine.Run("train", "--data", Images, "--resize", "2x8x8").IsRefusedWith("2×8×8", "1 channel");
        Train("--resize", "9").IsRefusedWith("3×8×8", "3×9×9");
        CommandLine.Run("train", "--data", "digits", "--resize", "8")
            .IsRefusedWith("--resize is for image files");
        CommandLine.Run("train", "--on-bad-image", "skip").IsRefusedWith("--on-bad-image is for image files");
        CommandLine.Run("train", "--test-share", "0.5").IsRefusedWith("has test images of its own", "--test-share");
        CommandLine.Run("train", "--test-share", "1").IsRefusedWith("--test-share is \"1\"");
    }

    [Test]
    public void AnImageOfTheDataIsNotOverwritten()
    {
        byte[] before = File.ReadAllBytes(Image(0, 0));
        Train("--save", Image(0, 0)).IsRefusedWith("--save would overwrite the input of --data", Image(0, 0));
        Assert.That(File.ReadAllBytes(Image(0, 0)), Is.EqualTo(before));
    }

    [Test]
    public void ACsvFileIsLearned()
    {
        string csv = _folder.File("stripes.csv");
        File.WriteAllLines(csv, Enumerable.Range(0, 2 * Count).Select(n => string.Join(',', Enumerable.Range(0, 64)
            .Select(i => Pixel(n % 2, n / 2, i % 8, i / 8)).Prepend(n % 2))));
        JsonElement json = CommandLine.Run("train", "--data", csv, "--epochs", "5", "--lr", "0.005", "--backend",
            "managed", "--json").Json();
        Assert.That(json.GetProperty("testAccuracy").GetDouble(), Is.EqualTo(1));
    }

    [Test]
    public void WhatHasNoAcceptedFormIsRefusedWithAListOfThem()
    {
        CommandLine.Run("train", "--data", _folder.File("tiny.json"))
            .IsRefusedWith("neither a .csv nor a .parquet file", "IDX", "CIFAR-10", "FOLDER/CLASS/IMAGE");
        Directory.CreateDirectory(_folder.File("empty"));
        CommandLine.Run("train", "--data", _folder.File("empty")).IsRefusedWith("no data of an accepted form");
    }

    private CommandLine Train(params string[] more)
        => CommandLine.Run(["train", "--data", Images, "--model", Model, "--backend", "managed", "--batch", "8",
            .. more]);

    private string Image(int label, int i) => _folder.File($"images/{s_classes[label]}/{i:00}.{(i % 2 == 0 ? "png"
        : "jpg")}");

    // Bright stripes of two pixels, in rows or in columns, from a place of each image's own.
    private static int Pixel(int label, int i, int x, int y)
        => ((label == 0 ? y : x) + i) / 2 % 2 == 0 ? 230 - i : 20 + i;

    private static byte[] Stripes(int label, int i) => MadeImages.Encode(i % 2 == 0 ? SKEncodedImageFormat.Png
        : SKEncodedImageFormat.Jpeg, 16, 16, (x, y) =>
        {
            byte value = (byte)Pixel(label, i, x / 2, y / 2);
            return new SKColor(value, (byte)(value / 2), value);
        });
}
