using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Serialization;
using ConvNet.Tests.Cli;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Watching;

/// <summary><c>train --serve</c> and <c>view</c> on the command line.</summary>
public sealed class WatchTests
{
    private TinyData _data = null!;

    [SetUp]
    public void WriteData() => _data = new TinyData();

    [TearDown]
    public void DeleteData() => _data.Dispose();

    [Test]
    public void ATrainingThatIsWatchedHasTheSameBits([Values("managed", "native")] string backend)
    {
        string alone = _data.File("alone.safetensors"), watched = _data.File("watched.safetensors");
        string[] words = ["--backend", backend, "--optimizer", "adam", "--lr", "0.01", "--batch", "8", "--epochs", "3"];
        Train([.. words, "--save", alone]).Succeeds();
        CommandLine run = Train([.. words, "--save", watched, "--serve", "--log", _data.File("log"), "--log-norms",
            "1"]);
        run.Succeeds();
        Assert.That(Tensors(watched), Is.EqualTo(Tensors(alone)));
        Assert.That(run.Error, Does.Match(@"watch the training at http://127\.0\.0\.1:\d+/\?token=[0-9a-f]{64}")
            .And.Contains($"to open it again: convnet view {_data.File("log")}"));
        Assert.That(SavedModel.Load(watched).Training!.Recipe, Does.Not.Contain("serve"));

        static (string, float[])[] Tensors(string file)
            => [.. SafeTensors.Read(file).Tensors.Select(each => (each.Name, each.Values.ToArray()))];
    }

    [Test]
    public void AWrongAddressIsRefusedBeforeTheTraining()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;
        string log = _data.File("log");
        Train("--serve", $"{port}", "--log", log).IsRefusedWith($"port {port} of 127.0.0.1 is taken");
        Assert.That(Directory.Exists(log), Is.False);
        Train("--serve-address", "127.0.0.1").IsRefusedWith("--serve-address is an option of --serve");
        Train("--serve", "--serve-address", "somewhere").IsRefusedWith("--serve-address is \"somewhere\"; it takes");
        CommandLine elsewhere = Train("--serve", "--serve-address", "192.0.2.1");
        Assert.That(elsewhere.ExitCode, Is.EqualTo(ExitCode.WrongUsage));
        Assert.That(elsewhere.Error, Does.Contain("192.0.2.1 is no address of this machine"));
    }

    [Test]
    public void AnAddressThatOthersReachIsWarnedOf()
    {
        CommandLine run = Train("--fast-dev-run", "--serve", "--serve-address", "0.0.0.0");
        run.Succeeds();
        Assert.That(run.Error.Split("warning: --serve-address 0.0.0.0 lets other machines reach the page"),
            Has.Length.EqualTo(2));
        Assert.That(run.Error, Does.Contain($"http://{Dns.GetHostName().ToLowerInvariant()}:"));
    }

    [Test]
    public void AResumedTrainingShowsWhatWasBefore()
    {
        string log = _data.File("log"), runs = _data.File("runs");
        string[] words = ["--batch", "8", "--log", log, "--checkpoint", runs, "--resume", "--serve"];
        Train([.. words, "--epochs", "1"]).Succeeds();
        Train([.. words, "--epochs", "2"]).Succeeds();
        JsonElement run = CommandLine.Run("view", log, "--json").Json().GetProperty("runs")[0];
        Assert.That((run.GetProperty("step").GetInt32(), run.GetProperty("epochs").GetInt32()), Is.EqualTo((24, 2)));
    }

    [Test]
    public void TheDocumentOfViewHasTheFiguresOfTheLog()
    {
        string first = _data.File("first"), second = _data.File("second");
        JsonElement trained = Train("--epochs", "3", "--batch", "8", "--log", first, "--json").Json();
        Train("--epochs", "9", "--log", second, "--lr", "1e-30", "--patience", "1").Succeeds();
        JsonElement runs = CommandLine.Run("view", first, second, "--json").Json().GetProperty("runs");
        JsonElement run = runs[0], epochs = trained.GetProperty("epochs");
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(run), Is.EqualTo("name, folder, model, data, tested, status, stopped, "
                + "started, parameters, epoch, epochs, step, steps, loss, accuracy, learningRate, imagesPerSecond, "
                + "seconds, secondsLeft, residentBytes, lastEpoch, bestEpoch"));
            Assert.That(CommandLine.NamesOf(run.GetProperty("bestEpoch")), Is.EqualTo("epoch, step, loss, "
                + "trainAccuracy, testAccuracy, testLoss, seconds, imagesPerSecond"));
            Assert.That(run.GetProperty("name").GetString(), Is.EqualTo("first"));
            Assert.That(run.GetProperty("model").GetString(), Is.EqualTo(_data.Model));
            Assert.That(run.GetProperty("status").GetString(), Is.EqualTo("finished"));
            Assert.That(run.GetProperty("step").GetInt32(), Is.EqualTo(36).And.EqualTo(run.GetProperty("steps")
                .GetInt32()));
            Assert.That(run.GetProperty("bestEpoch").GetProperty("epoch").GetInt32(),
                Is.EqualTo(trained.GetProperty("bestEpoch").GetInt32()));
            Assert.That(run.GetProperty("lastEpoch").GetProperty("loss").GetDouble(),
                Is.EqualTo(epochs[2].GetProperty("loss").GetDouble()));
            Assert.That(run.GetProperty("residentBytes").GetInt64(), Is.GreaterThan(1 << 20));
            Assert.That(runs[1].GetProperty("status").GetString(), Is.EqualTo("stopped"));
            Assert.That(runs[1].GetProperty("stopped").GetString(), Does.Contain("the accuracy has not risen"));
        });
    }

    [Test]
    public void WhatIsNoLogIsOneError()
    {
        string empty = _data.File("empty"), damaged = _data.File("damaged");
        Directory.CreateDirectory(empty);
        Directory.CreateDirectory(damaged);
        File.WriteAllText(Path.Combine(damaged, TrainingLog.RecordsName), "{}\n<html>\n");
        CommandLine.Run("view").IsRefusedWith("view needs DIR");
        CommandLine.Run("view", "").IsRefusedWith("A name of DIR is empty");
        CommandLine.Run("view", empty).IsRefusedWith($"{empty} contains no log.jsonl", "train --log DIR");
        CommandLine.Run("view", _data.Model).IsRefusedWith($"{_data.Model} is a file");
        CommandLine.Run("view", _data.File("none")).IsRefusedWith("There is no folder");
        CommandLine.Run("view", damaged, "--json").IsRefusedWith("log.jsonl, line 2 is damaged: it is no JSON");
        CommandLine.Run("view", empty, "--prot", "1").IsRefusedWith("view has no option \"--prot\"", "\"--port\"");
    }

    [Test]
    public async Task ViewEndsWithoutAnErrorWhenItIsInterrupted()
    {
        string log = _data.File("log");
        Train("--epochs", "1", "--log", log).Succeeds();
        using var view = new LiveOutput("view", log);
        using var client = new HttpClient();
        Uri address = await view.Address();
        Assert.That(await client.GetStringAsync(address), Does.Contain("<!doctype html>"));
        // What is damaged while it is followed is said once, and the page stays.
        await File.AppendAllTextAsync(Path.Combine(log, TrainingLog.RecordsName), "damage\n");
        while (!view.Text.Contains("no longer follows this log", StringComparison.Ordinal))
            await Task.Delay(10);
        Assert.That(await client.GetStringAsync(address), Does.Contain("<!doctype html>"));
        Assert.That(await view.Interrupt(), Is.EqualTo(ExitCode.Ok), view.Text);
    }

    private CommandLine Train(params string[] words)
        => CommandLine.Run(["train", .. words.Contains("--backend") ? (string[])[] : ["--backend", "managed"], "--data",
            _data.Folder, "--model", _data.Model, .. words]);
}
