using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Data;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using ConvNet.Tests.Onnx;
using Google.Protobuf;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary><c>convnet predict</c>.</summary>
public sealed class PredictTests
{
    private static readonly string[] s_names = ["bottom, left", "middle", "top"];

    private readonly TemporaryFolder _folder = new();
    private string _model = "";

    // Photographs of three classes, whose names are those of their folders.
    [OneTimeSetUp]
    public void Train()
    {
        PixelSet images = TinyData.Images(TinyData.TrainCount, 1);
        for (int i = 0; i < images.Count; i++)
            Write(images, i, Path.Combine(_folder.File("photos"), s_names[images.Labels.Span[i]], $"{i:D3}.png"));
        _model = _folder.File("photos.safetensors");
        using var tiny = new TinyData();
        CommandLine.Run("train", "--backend", "managed", "--data", _folder.File("photos"), "--model", tiny.Model,
            "--epochs", "4", "--average", "ema", "--save", _model).Succeeds();
    }

    [OneTimeTearDown]
    public void Delete() => _folder.Dispose();

    [Test]
    public void FilesAndFoldersAreNamedAlikeByEveryBackend([Values("managed", "native", "torchsharp")] string backend)
    {
        string folder = _folder.File("photos/middle"), file = Path.Combine(_folder.File("photos"), s_names[0],
            "000.png");
        JsonElement json = Predict(file, folder, "--backend", backend, "--batch", "7", "--top", "2", "--json").Json();
        JsonElement[] all = [.. json.GetProperty("predictions").EnumerateArray()];
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(json), Is.EqualTo("model, backend, candidates, selfTest, precision, "
                + "threads, predictions, seconds, imagesPerSecond"));
            Assert.That(CommandLine.NamesOf(all[0]), Is.EqualTo("image, trueClass, classes, error"));
            Assert.That(CommandLine.NamesOf(all[0].GetProperty("classes")[0]),
                Is.EqualTo("class, name, probability"));
            Assert.That(all, Has.Length.EqualTo(1 + TinyData.TrainCount / TinyData.Classes));
            Assert.That(all[0].GetProperty("image").GetString(), Is.EqualTo(file));
            Assert.That(all.Select(each => each.GetProperty("classes")[0].GetProperty("name").GetString()),
                Is.EqualTo((string[])[s_names[0], .. Enumerable.Repeat(s_names[1], all.Length - 1)]));
            double[] probabilities = [.. all[0].GetProperty("classes").EnumerateArray()
                .Select(each => each.GetProperty("probability").GetDouble())];
            Assert.That(probabilities, Has.Length.EqualTo(2).And.Ordered.Descending.And.All.InRange(0, 1));
        });
    }

    [Test]
    public void ProbabilitiesDoNotDependOnTheBatchOrTheWorkers()
    {
        string[] documents = [.. ((string[][])[["--batch", "1"], ["--batch", "64", "--workers", "3"],
            ["--batch", "7", "--workers", "0"]]).Select(more => Predict([_folder.File("photos"), "--backend",
            "managed", "--json", .. more]).Json().GetProperty("predictions").GetRawText())];
        Assert.That(documents, Has.All.EqualTo(documents[0]));
        string averaged = Predict(_folder.File("photos"), "--backend", "managed", "--averaged", "--json").Json()
            .GetProperty("predictions").GetRawText();
        Assert.That(averaged, Is.Not.EqualTo(documents[0]));
    }

    [Test]
    public void TestImagesOfADataSetAreComparedWithTheirClasses()
    {
        string file = _folder.File("classes.csv");
        CommandLine run = CommandLine.Run("predict", "--load", _model, "--data", _folder.File("photos"), "--backend",
            "managed", "--csv", file, "--top", "1");
        run.Succeeds();
        string[] lines = File.ReadAllLines(file);
        int count = lines.Length - 1;
        Assert.Multiple(() =>
        {
            Assert.That(run.Output, Does.Contain("true class").And.Contain($"{count} of {count} are named rightly")
                .And.Contain("images/s"));
            Assert.That(lines[0], Is.EqualTo("image,rank,class,name,probability"));
            Assert.That(lines[1], Does.Contain(",1,0,\"bottom, left\",0."), "a comma in a name");
        });
    }

    [Test]
    public void CsvOnStandardOutputIsAllThatIsThere()
    {
        CommandLine run = Predict(_folder.File("photos/top"), "--backend", "managed", "--csv", "-", "--top", "1");
        run.Succeeds();
        string[] lines = run.Output.TrimEnd().Split('\n');
        Assert.Multiple(() =>
        {
            Assert.That(lines[0].TrimEnd(), Is.EqualTo("image,rank,class,name,probability"));
            Assert.That(lines, Has.Length.EqualTo(1 + TinyData.TrainCount / TinyData.Classes));
            Assert.That(lines.Skip(1), Has.All.Contains(",1,2,top,"));
            Assert.That(run.Error, Does.Contain("images/s"));
            Assert.That(File.Exists("-"), Is.False);
        });
        Predict(_folder.File("photos/top"), "--csv", "-", "--json").IsRefusedWith("--json", "--csv -");
    }

    [Test]
    public void AnOnnxModelIsReadLikeASavedOne()
    {
        string onnx = _folder.File("photos.onnx"), bare = _folder.File("bare.onnx"), free = _folder.File("free.onnx");
        CommandLine.Run("export", "--load", _model, "--onnx", onnx, "--normalize").Succeeds();
        CommandLine.Run("export", "--load", _model, "--onnx", bare).Succeeds();
        string[] named = [.. ((string[])[_model, onnx]).Select(model => CommandLine.Run("predict", "--load", model,
            _folder.File("photos"), "--backend", "managed", "--json").Json().GetProperty("predictions").GetRawText())];
        Assert.That(named[1], Is.EqualTo(named[0]));
        CommandLine.Run("eval", "--load", onnx, "--data", _folder.File("photos"), "--backend", "managed").Succeeds();
        CommandLine.Run("eval", "--load", bare, "--data", _folder.File("photos")).IsRefusedWith("normalisation",
            "--normalize");
        CommandLine.Run("summary", "--model", onnx).Succeeds();
        File.WriteAllBytes(free, OnnxModels.Of([0, 3, 0, 0], 20, OnnxModels.Node("Relu", ["x"], "y")).ToByteArray());
        CommandLine.Run("predict", "--load", free, _folder.File("photos")).IsRefusedWith("is free", "convnet import",
            "--input");
    }

    [Test]
    public void AnImageThatCannotBeReadIsAnErrorOrIsListed()
    {
        string bad = _folder.File("bad.png"), good = _folder.File("photos/top/002.png");
        File.WriteAllText(bad, "no image");
        Predict(good, bad).IsRefusedWith("bad.png");
        CommandLine skipped = Predict(good, bad, "--on-bad-image", "skip", "--json");
        JsonElement[] all = [.. skipped.Json().GetProperty("predictions").EnumerateArray()];
        Assert.That(all[1].GetProperty("error").GetString(), Does.Contain("bad.png"));
        Assert.That(all[1].GetProperty("classes").GetArrayLength(), Is.Zero);
        Assert.That(all[0].GetProperty("classes")[0].GetProperty("name").GetString(), Is.EqualTo("top"));
        Assert.That(skipped.Error, Does.Contain("warning").And.Contain("bad.png"));
        CommandLine none = Predict(bad, "--on-bad-image", "skip");
        Assert.That(none.ExitCode, Is.EqualTo(ExitCode.Failed));
        Assert.That(none.Error, Does.Contain("None of the 1 images could be read"));
    }

    [Test]
    public void WhatCannotBePredictedIsRefused()
    {
        Predict().IsRefusedWith("No image", "--data");
        Predict("a.png", "--data", "digits").IsRefusedWith("Both");
        Predict(_folder.File("none.png")).IsRefusedWith("none.png");
        Predict("--wrong").IsRefusedWith("--wrong");
        Directory.CreateDirectory(_folder.File("empty"));
        Predict(_folder.File("empty")).IsRefusedWith("no images", ".jpg");
        Predict(_model, "--normalize", "imagenet").IsRefusedWith("--normalize", "Omit");
        SavedModel saved = SavedModel.Load(_model);
        using var backend = new ManagedBackend();
        using IExecutable network = backend.CompileInference(saved.Graph, 1);
        saved.CopyTo(network);
        string plain = _folder.File("plain.safetensors");
        SavedModel.Save(plain, network);
        string unaveraged = _folder.File("unaveraged.safetensors");
        SavedModel.Save(unaveraged, network, saved.Normalization);
        CommandLine.Run("predict", "--load", plain, _model).IsRefusedWith("normalisation", "--normalize");
        string image = Path.Combine(_folder.File("photos"), s_names[0], "000.png");
        Predict(image, "--csv", image).IsRefusedWith("--csv would overwrite", "000.png");
        Predict(Path.GetDirectoryName(image)!, "--csv", image).IsRefusedWith("--csv would overwrite", "000.png");
        Assert.That(File.ReadAllBytes(image)[1..4], Is.EqualTo("PNG"u8.ToArray()));
        // No word stands for a file of words.
        Predict("@none.png").IsRefusedWith("@none.png");
        foreach (string[] verb in (string[][])[["predict", image], ["eval", "--data", _folder.File("photos")],
            ["show", "--image", image, "--report", _folder.File("r.html")],
            ["export", "--onnx", _folder.File("a.onnx")], ["export", "--pytorch", _folder.File("a.pt")]])
            CommandLine.Run([.. verb, "--load", unaveraged, "--averaged"]).IsRefusedWith("--averaged", "no averages",
                "Omit");
        Assert.That(SavedModel.Load(plain).ClassNames, Is.Empty);
        Assert.That(saved.ClassNames, Is.EqualTo(s_names));
    }

    [Test]
    public void ScoresThatAreNoNumbersAreAFailure()
    {
        SavedModel saved = SavedModel.Load(_model);
        using var backend = new ManagedBackend();
        using IExecutable network = backend.CompileInference(saved.Graph, 1);
        saved.CopyTo(network);
        Parameter last = saved.Graph.Parameters[^2];
        network.Write(last, [.. Enumerable.Repeat(float.MaxValue, last.Length)]);
        string broken = _folder.File("broken.safetensors");
        SavedModel.Save(broken, network, saved.Normalization, classNames: saved.ClassNames);
        CommandLine run = CommandLine.Run("predict", "--load", broken, "--backend", "managed",
            _folder.File("photos/top/002.png"));
        Assert.That(run.ExitCode, Is.EqualTo(1), run.Error);
        Assert.That(run.Error, Does.Contain("not finite"));
    }

    private CommandLine Predict(params string[] words) => CommandLine.Run(["predict", "--load", _model, .. words]);

    private static void Write(PixelSet images, int index, string file)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        ReadOnlyMemory<byte> pixels = images.Pixels.Slice(index * TinyData.Shape.Length, TinyData.Shape.Length);
        File.WriteAllBytes(file, ImageFile.ToPng(pixels.Span, TinyData.Shape));
    }
}
