using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

public sealed class TrainTests
{
    private TinyData _data = null!;

    [OneTimeSetUp]
    public void WriteData() => _data = new TinyData();

    [OneTimeTearDown]
    public void DeleteData() => _data.Dispose();

    [Test]
    public void TheSummaryComesFirstAndTheConfusionMatrixLast()
    {
        CommandLine run = Train("--epochs", "2");
        Assert.That(run.ExitCode, Is.EqualTo(App.Ok), run.Error);
        int place = -1;
        foreach (string part in (string[])["receptive field", "epoch 1/2", "epoch 2/2", "is \\ taken for", "test accuracy 100.00% (31 of 31)"])
        {
            int next = run.Output.IndexOf(part, StringComparison.Ordinal);
            Assert.That(next, Is.GreaterThan(place), part);
            place = next;
        }
    }

    [Test]
    public void JsonIsOneDocumentWithTheseFieldsAndAllElseGoesToStandardError()
    {
        CommandLine run = Train("--epochs", "2", "--seed", "7", "--threads", "1", "--json");
        JsonElement json = run.Json();
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(json), Is.EqualTo("model, data, backend, threads, seed, parameters, epochs, testAccuracy"));
            Assert.That(json.GetProperty("model").GetString(), Is.EqualTo(_data.Model));
            Assert.That(json.GetProperty("data").GetString(), Is.EqualTo(_data.Folder));
            Assert.That(json.GetProperty("backend").GetString(), Is.EqualTo("managed"));
            Assert.That(json.GetProperty("threads").GetInt32(), Is.EqualTo(1));
            Assert.That(json.GetProperty("seed").GetInt32(), Is.EqualTo(7));
            Assert.That(json.GetProperty("parameters").GetInt32(), Is.EqualTo(4 * 9 + 4 + 3 * 36 + 3));
            Assert.That(json.GetProperty("epochs").GetArrayLength(), Is.EqualTo(2));
            Assert.That(CommandLine.NamesOf(json.GetProperty("epochs")[1]), Is.EqualTo("loss, trainAccuracy, testAccuracy, seconds, imagesPerSecond"));
            Assert.That(json.GetProperty("testAccuracy").GetDouble(), Is.EqualTo(1.0));
            Assert.That(run.Error, Does.Contain("receptive field").And.Contain("epoch 2/2").And.Contain("is \\ taken for"));
        });
    }

    private CommandLine Train(params string[] more)
        => CommandLine.Run(["train", "--backend", "managed", "--data", _data.Folder, "--model", _data.Model, "--batch", "8", .. more]);
}
