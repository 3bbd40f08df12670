using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

public sealed class GradcheckTests
{
    private TinyData _data = null!;

    [OneTimeSetUp]
    public void WriteData() => _data = new TinyData();

    [OneTimeTearDown]
    public void DeleteData() => _data.Dispose();

    [Test]
    public void BackendsThatAgreePass()
    {
        JsonElement json = CommandLine.Run("gradcheck", "--model", _data.Model, "--backends", "managed",
            "native:scalar", "--json").Json();
        Assert.Multiple(() =>
        {
            Assert.That(json.GetProperty("verdict").GetString(), Is.EqualTo("pass"));
            Assert.That(json.GetProperty("failed").GetInt64(), Is.Zero);
            Assert.That(json.GetProperty("checked").GetInt64(), Is.GreaterThan(1_000));
            Assert.That(json.GetProperty("layers").EnumerateArray()
                .Select(layer => layer.GetProperty("backend").GetString()).Distinct(),
                Is.SupersetOf((string[])["native:scalar"]));
            Assert.That(json.GetProperty("layers").EnumerateArray()
                .Select(layer => layer.GetProperty("layer").GetString()).Distinct(),
                Is.SupersetOf((string[])["conv1", "relu1", "maxpool1", "flatten1", "linear1"]));
        });
    }

    [Test]
    public void FrozenParametersHaveNoGradientAndStay()
    {
        JsonElement json = CommandLine.Run("gradcheck", "--model", _data.Model, "--freeze", "conv1.*", "--threads", "1",
            "--backends", "managed", "native:scalar", "--json").Json();
        Assert.That(json.GetProperty("verdict").GetString(), Is.EqualTo("pass"));
        string[] OfLayer(string layer, string mode) => [.. json.GetProperty("layers").EnumerateArray()
            .Where(each => each.GetProperty("layer").GetString() == layer
                && each.GetProperty("mode").GetString() == mode)
            .SelectMany(each => each.GetProperty("tensors").EnumerateArray())
            .Select(tensor => tensor.GetProperty("name").GetString()!).Distinct()];
        Assert.That(OfLayer("conv1", "exact"), Is.EqualTo((string[])["y", "dx", "w after a step", "b after a step"]));
        Assert.That(OfLayer("linear1", "exact"), Is.EqualTo((string[])["y", "dx", "dw", "db"]));
        // A saved training says itself what it has frozen.
        string saved = _data.File("frozen.safetensors");
        CommandLine.Run("train", "--backend", "managed", "--data", _data.Folder, "--model", _data.Model, "--epochs",
            "1", "--freeze", "linear1.bias", "--save", saved).Succeeds();
        json = CommandLine.Run("gradcheck", "--model", saved, "--freeze", "conv1.weight", "--threads", "1",
            "--backends", "managed", "--json").Json();
        Assert.That(OfLayer("conv1", "exact"), Is.EqualTo((string[])["y", "dx", "db", "w after a step"]));
        Assert.That(OfLayer("linear1", "exact"), Is.EqualTo((string[])["y", "dx", "dw", "b after a step"]));
        CommandLine.Run("gradcheck", "--model", _data.Model, "--freeze", "conv2.*")
            .IsRefusedWith("\"conv2.*\"", "there are conv1.weight, conv1.bias");
        CommandLine.Run("gradcheck", "--layer", "mb2ic6oc5", "--freeze", "*")
            .IsRefusedWith("--freeze requires --model");
    }

    [Test]
    public void PeopleSeeATableAndTheVerdict()
    {
        CommandLine run = CommandLine.Run("gradcheck", "--model", _data.Model, "--backends", "managed");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Error);
        Assert.That(run.Output, Does.Contain("conv1").And.Contain("equal").And.Contain("pass: "));
    }

    [Test]
    public void LayersAreCheckedAsTheirDescriptorsSay()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("shapes.txt");
        File.WriteAllText(file, "# two more\nmb2ic6oc5n\"fc\"\nbnorm:mb4ic3ih4n\"bn\"\n");
        JsonElement json = CommandLine.Run("gradcheck", "--layer", "g2mb3ic4ih5oc6kh3ph1", "max:mb2ic3ih6kh3sh2",
            "avg_np:mb2ic3ih4kh2sh2", "--shapes", file,
            "--backends", "native:scalar", "--threads", "1", "--mode", "real", "--json").Json();
        Assert.That(json.GetProperty("layers").EnumerateArray()
            .Select(layer => string.Join(' ', layer.GetProperty("tensors").EnumerateArray()
                .Select(tensor
                    => $"{tensor.GetProperty("name").GetString()}:{tensor.GetProperty("elements").GetInt32()}")
                    .Prepend(layer.GetProperty("layer").GetString()))),
            Is.EqualTo((string[])
            [
                "g2mb3ic4ih5oc6oh5kh3ph1 y:450 dx:300 dw:108 db:6", "max:mb2ic3ih6oh2kh3sh2ph0 y:24 dx:216",
                    "avg_np:mb2ic3ih4oh2kh2sh2ph0 y:24 dx:96",
                "fc y:10 dx:12 dw:30 db:5", "bn y:192 dx:192 dw:3 db:3 running_mean:3 running_var:3",
            ]));
    }

    [Test]
    public void ACheckEndsWhenItIsInterrupted()
    {
        CommandLine run = CommandLine.Run(new CancellationToken(canceled: true), "gradcheck", "--model", _data.Model,
            "--backends", "managed");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Interrupted));
        Assert.That(run.Error, Does.Contain("interrupted"));
    }

    [Test]
    public void ALayerTakesTheBatchThatIsGiven()
    {
        JsonElement json = CommandLine.Run("gradcheck", "--layer", "mb2ic6oc5n\"fc\"", "--batch", "3", "--backends",
            "managed", "--mode", "real", "--json").Json();
        Assert.That(json.GetProperty("layers")[0].GetProperty("tensors")[0].GetProperty("elements").GetInt32(),
            Is.EqualTo(15));
    }

    [Test]
    public void EveryTensorHasARowWithDetails()
    {
        CommandLine run = CommandLine.Run("gradcheck", "--model", _data.Model, "--backends", "managed", "--mode",
            "real", "--details");
        Assert.That(run.Output, Does.Match(@"linear1 +real +managed +dw +\d+ +0\.\d{3} "));
    }

    [Test]
    public void EveryNumberOfThreadsIsCheckedAndGivesTheSameBits()
    {
        JsonElement json = CommandLine.Run("gradcheck", "--model", _data.Model, "--backends",
            "managed,native:scalar:accurate", "--threads", "1,2,5", "--mode", "real", "--json").Json();
        JsonElement[] backends = [.. json.GetProperty("backends").EnumerateArray()];
        Assert.That(backends.Select(backend => backend.GetProperty("name").GetString()),
            Is.EqualTo((string[])["managed", "native:scalar:accurate"]));
        Assert.That(backends[1].GetProperty("precision").GetString(), Is.EqualTo("accurate"));
        Assert.That(backends.Select(backend => backend.GetProperty("threads").EnumerateArray()
            .Select(count => count.GetInt32())), Is.All.EqualTo((int[])[1, 2, 5]));
        Assert.That(json.GetProperty("layers").EnumerateArray().Select(layer
            => layer.GetProperty("backend").GetString()).Distinct(), Is.EquivalentTo((string[])["managed",
            "native:scalar:accurate"]));
        foreach (JsonElement layer in json.GetProperty("layers").EnumerateArray())
        {
            JsonElement threads = layer.GetProperty("tensors").EnumerateArray().Last();
            Assert.That(threads.GetProperty("name").GetString(), Is.EqualTo("threads"));
            Assert.That(threads.GetProperty("elements").GetInt32(), Is.Positive);
        }
    }

    [TestCase("exact", "exact, segments")]
    [TestCase("real", "real, end to end")]
    [TestCase("forward", "forward mode")]
    [TestCase("exact,forward", "exact, forward mode, segments")]
    public void AModeLeavesTheOthersOut(string mode, string expected)
    {
        JsonElement json = CommandLine.Run("gradcheck", "--model", _data.Model, "--backends", "managed", "--mode", mode,
            "--json").Json();
        Assert.That(string.Join(", ", json.GetProperty("layers").EnumerateArray()
            .Select(layer => layer.GetProperty("mode").GetString()).Distinct()), Is.EqualTo(expected));
    }

    [TestCase("--backends", "managed,abacus", "\"abacus\"")]
    [TestCase("--backends", "managed,managed", "managed twice")]
    [TestCase("--backends", "native:avx9", "native:scalar:accurate")]
    [TestCase("--mode", "rough", "exact, real, plan, forward, steps, all")]
    [TestCase("--threads", "1,none", "\"none\"")]
    [TestCase("--junit", "no/such/folder/x.xml", "does not exist")]
    [TestCase("--markdown", "no/such/folder/x.md", "does not exist")]
    public void WhatCannotBeUsedIsRefusedBeforeAnythingRuns(string option, string value, string word)
        => CommandLine.Run("gradcheck", "--model", _data.Model, option, value).IsRefusedWith(word);
}
