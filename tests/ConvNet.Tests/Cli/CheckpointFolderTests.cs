using System.Diagnostics;
using System.Globalization;
using ConvNet.Cli;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary><c>train --checkpoint</c> and <c>--resume</c>.</summary>
public sealed class CheckpointFolderTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private TinyData _data = null!;

    private string Runs => _data.File("runs");

    private string[] Files => [.. Directory.GetFiles(Runs, "epoch-*.safetensors").Order()];

    [SetUp]
    public void WriteData() => _data = new TinyData();

    [TearDown]
    public void DeleteData() => _data.Dispose();

    [Test]
    public void TheSameCommandStartsAndResumesUntilItIsComplete()
    {
        string[] words = ["--model", _data.Model, "--checkpoint", Runs, "--resume", "--every", "5steps", "--keep", "2"];
        CommandLine first = Train([.. words, "--epochs", "1"]);
        first.Succeeds();
        Assert.That(first.Output, Does.Contain($"{Runs} has no checkpoint yet: a new training starts")
            .And.Contain($"saved to {Runs}"));
        CommandLine second = Train([.. words, "--epochs", "2"]);
        second.Succeeds();
        Assert.That(second.Output, Does.Contain("resuming at epoch 2 of 2, batch 1 of 3"));
        Assert.That(Files, Has.Length.EqualTo(2));
        byte[] end = File.ReadAllBytes(Files[1]);
        CommandLine third = Train([.. words, "--epochs", "2", "--json"]);
        Assert.That(third.Json().GetProperty("epochs").GetArrayLength(), Is.Zero);
        Assert.That(third.Json().GetProperty("testAccuracy").GetDouble(),
            Is.EqualTo(SavedModel.Load(Files[1]).Training!.Progress.Epochs[1].TestAccuracy));
        Assert.That(third.Error, Does.Contain("all 2 epochs are complete; for more, use --epochs 3 or more"));
        Assert.That(File.ReadAllBytes(Files[1]), Is.EqualTo(end));
    }

    [Test]
    public void AFolderAloneIsResumedAndGoesOnSaving()
    {
        Train("--model", _data.Model, "--checkpoint", Runs, "--epochs", "1").Succeeds();
        CommandLine.Run("train", "--backend", "managed", "--resume", Runs, "--epochs", "2", "--keep", "1").Succeeds();
        Assert.That(Files.Select(Path.GetFileName), Is.EqualTo((string[])["epoch-0003-batch-000000.safetensors"]));
        CommandLine.Run("eval", "--backend", "managed", "--data", _data.Folder, "--load",
            Path.Combine(Runs, "best.safetensors")).Succeeds();
    }

    [Test]
    public void ADamagedFileIsNamedAndTheOneBeforeIsUsedOrOffered()
    {
        Train("--model", _data.Model, "--checkpoint", Runs, "--epochs", "2").Succeeds();
        string[] files = Files;
        File.WriteAllBytes(files[1], File.ReadAllBytes(files[1])[..^9]);
        CommandLine.Run("train", "--backend", "managed", "--resume", files[1]).IsRefusedWith(files[1],
            $"The checkpoint before it is intact: --resume {files[0]}");
        CommandLine run = CommandLine.Run("train", "--backend", "managed", "--resume", Runs);
        run.Succeeds();
        Assert.That(run.Error, Does.Contain($"convnet: warning: {files[1]}: ")
            .And.Contain($"the training resumes from the checkpoint before, {files[0]}."));
        Assert.That(SavedModel.Load(files[1]).Training!.Progress.Epochs, Has.Count.EqualTo(2), "it is made anew");
    }

    [Test]
    public void WhatCannotBeDoneIsRefused()
    {
        Train("--model", _data.Model, "--checkpoint", Runs, "--epochs", "1").Succeeds();
        string empty = _data.File("empty");
        Directory.CreateDirectory(empty);
        string other = _data.File("other.json");
        File.WriteAllText(other, File.ReadAllText(_data.Model).Replace("relu", "tanh", StringComparison.Ordinal));
        Assert.Multiple(() =>
        {
            Train("--model", _data.Model, "--checkpoint", Runs).IsRefusedWith(Runs, Files[0], "add --resume");
            Train("--resume", empty).IsRefusedWith($"{empty} contains no checkpoint", $"--checkpoint {empty}");
            Train("--resume").IsRefusedWith("--resume needs a value", "--checkpoint DIR");
            Train("--every", "5steps").IsRefusedWith("--every is an option of --checkpoint");
            Train("--keep", "2").IsRefusedWith("--keep is an option of --checkpoint");
            Train("--checkpoint", Runs, "--every", "often").IsRefusedWith("--every", "\"often\"", "500steps");
            Train("--checkpoint", _data.Model).IsRefusedWith(_data.Model, "is a file");
            Train("--resume", Runs, "--model", other, "--epochs", "2")
                .IsRefusedWith($"The network in {Files[0]} is another one than --model {other}");
            Train("--checkpoint", Runs, "--resume", "--epochs", "0").IsRefusedWith("--epochs");
            using var folder = CheckpointFolder.Open(Runs);
            Train("--checkpoint", Runs, "--resume").IsRefusedWith(Runs, "another program");
        });
    }

    [Test]
    [Platform("Linux")]
    public void AFolderThatCannotBeWrittenIsRefusedBeforeTheTraining()
        => Train("--model", _data.Model, "--checkpoint", "/proc/convnet").IsRefusedWith("/proc/convnet");

    [TestCase("INT", 130)]
    [TestCase("TERM", 143)]
    [Platform("Linux")]
    public void ASignalSavesAndNamesTheCommandThatResumes(string signal, int code)
    {
        using Process process = Process.Start(new ProcessStartInfo("env",
            ["--default-signal=INT", "dotnet", "exec", typeof(App).Assembly.Location, "train", "--backend", "managed",
                "--data", _data.Folder, "--model", _data.Model, "--checkpoint", Runs, "--epochs", "1000000", "--every",
                "3steps", "--freeze", "conv*.bias"])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            Environment = { ["CONVNET_COMMAND"] = "../my tools/convnet" },
        })!;
        Task<string> error = process.StandardError.ReadToEndAsync(), output = process.StandardOutput.ReadToEndAsync();
        var clock = Stopwatch.StartNew();
        while ((!Directory.Exists(Runs) || Files.Length == 0) && clock.Elapsed < s_patience)
            Thread.Sleep(20);
        using (var kill = Process.Start("kill", [$"-{signal}", process.Id.ToString(CultureInfo.InvariantCulture)]))
            kill.WaitForExit();
        Assert.That(process.WaitForExit(s_patience), "the process ends");
        Assert.That(process.ExitCode, Is.EqualTo(code), error.Result);
        const string Before = "To resume: '../my tools/convnet' ";
        Assert.That(error.Result, Does.Contain(Before));
        string resume = error.Result[(error.Result.IndexOf(Before, StringComparison.Ordinal) + Before.Length)..].Trim();
        Assert.That(error.Result, Does.Contain($"interrupted; saved before: {Runs}."));
        Assert.That(resume, Does.StartWith("train --backend managed").And.EndsWith($"--resume {Runs}")
            .And.Contain("'conv*.bias'").And.Not.Contain("--model").And.Not.Contain("--checkpoint"));
        int epoch = SavedModel.Load(Files[^1]).Training!.Progress.Position.Epoch;
        CommandLine run = CommandLine.Run([.. resume.Replace("'", "", StringComparison.Ordinal)
            .Replace("1000000", $"{epoch}", StringComparison.Ordinal).Split(' ')]);
        run.Succeeds();
        Assert.That(run.Output, Does.Contain($"resuming at epoch {epoch} of {epoch}"));
        Assert.That(output.Result, Does.Not.Contain("interrupted"));
    }

    private CommandLine Train(params string[] more)
        => CommandLine.Run(["train", "--backend", "managed", "--data", _data.Folder, .. more]);
}
