using ConvNet.Data;
using ConvNet.Tests.Cli;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Packaging;

/// <summary>The example that is published as one executable, without a runtime: its size, and what it says of
/// images.</summary>
[Category("Classifier")]
[Explicit("The program is compiled ahead of time, which takes minutes. Run it with --filter TestCategory=Classifier.")]
[Platform("Linux")]
public sealed class ClassifierTests
{
    private const long MostBytes = 12_000_000;

    private const int Images = 20, FewestRight = 15;

    private readonly TemporaryFolder _folder = new();

    private string Program => _folder.File(Path.Combine("out", "classify"));

    [OneTimeTearDown]
    public void Delete() => _folder.Dispose();

    [OneTimeSetUp]
    public void Publish()
    {
        string runtime =
            $"linux-{System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture}".ToLowerInvariant();
        CommandResult published = Repository.Run(Repository.Root, "dotnet", ["publish", "examples/Classifier", "-c",
            "Release", "-r", runtime, "-o", _folder.File("out"), "--nologo"]);
        Assert.That(published.ExitCode, Is.Zero, published.Output);
        Assert.That(published.Output, Does.Not.Contain("warning"));
    }

    [Test]
    public void ItIsOneFileOfLessThanTwelveMegabytes()
    {
        TestContext.Out.WriteLine($"{new FileInfo(Program).Length:N0} bytes");
        Assert.That(Directory.GetFiles(_folder.File("out")), Is.EqualTo((string[])[Program]));
        Assert.That(new FileInfo(Program).Length, Is.LessThan(MostBytes));
    }

    [Test]
    public void ItNamesTheClassesOfDigits()
    {
        string saved = _folder.File("digits.safetensors"), model = _folder.File("digits.onnx"),
            image = _folder.File("digit.png");
        CommandLine.Run("train", "--model", "digits", "--data", "digits", "--backend", "native", "--epochs", "5",
            "--save", saved).Succeeds();
        CommandLine.Run("export", "--load", saved, "--onnx", model, "--normalize").Succeeds();
        PixelSet digits = ImageData.Digits().Test;
        int right = 0;
        for (int i = 0; i < Images; i++)
        {
            Sample digit = Sample.For(digits);
            digits.Read(i, digit);
            File.WriteAllBytes(image, Png(digit.Input, digits.Shape));
            CommandResult ran = Repository.Run(_folder.Path, Program, [model, image]);
            Assert.That(ran.ExitCode, Is.Zero, ran.Output);
            string[] lines = ran.Output.Trim().Split('\n');
            Assert.That(lines, Has.Length.EqualTo(3));
            right += lines[0].Split(':')[0].EndsWith($"{digit.Classes[0]}", StringComparison.Ordinal) ? 1 : 0;
        }
        Assert.That(right, Is.AtLeast(FewestRight));
    }

    [Test]
    public void WhatCannotBeReadIsOneErrorOfTheProgram()
    {
        string text = _folder.File("text.onnx");
        File.WriteAllText(text, "no model");
        CommandResult ran = Repository.Run(_folder.Path, Program, [text, text]);
        Assert.That(ran.ExitCode, Is.EqualTo(1));
        Assert.That(ran.Output, Does.StartWith("classify: ").And.Contain("text.onnx"));
    }

    // A grey image, in which each row begins with the number of its filter.
    private static byte[] Png(ReadOnlySpan<float> pixels, Shape shape)
    {
        var rows = new List<byte>();
        for (int row = 0; row < shape.H; row++)
        {
            rows.Add(0);
            foreach (float pixel in pixels.Slice(row * shape.W, shape.W))
                rows.Add((byte)pixel);
        }
        return MadeImages.Png(shape.W, shape.H, 8, 0, [.. rows]);
    }
}
