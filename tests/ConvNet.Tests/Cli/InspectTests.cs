using System.Text;
using System.Text.Json;
using ConvNet.Models;
using ConvNet.Onnx;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using ConvNet.Tests.Truth;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary><c>convnet inspect</c>.</summary>
public sealed class InspectTests
{
    private readonly TemporaryFolder _folder = new();

    [OneTimeTearDown]
    public void Delete() => _folder.Dispose();

    [Test]
    public void ASavedTrainingIsDescribed()
    {
        using var data = new TinyData();
        string run = _folder.File("run");
        CommandLine.Run("train", "--data", data.Folder, "--model", data.Model, "--epochs", "2", "--backend", "managed",
            "--optimizer", "adam", "--checkpoint", run).Succeeds();
        JsonElement folder = Inspect(run), best = Inspect(Path.Combine(run, "best.safetensors"));
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(folder), Is.EqualTo("file, kind, facts, tensors"));
            Assert.That(CommandLine.NamesOf(folder.GetProperty("facts")[0]), Is.EqualTo("name, value"));
            Assert.That(CommandLine.NamesOf(folder.GetProperty("tensors")[0]), Is.EqualTo("name, type, shape"));
            Assert.That(folder.GetProperty("kind").GetString(), Is.EqualTo("folder of checkpoints"));
            Assert.That(FactOf(folder, "epochs"), Is.EqualTo("2 of 2"));
            Assert.That(FactOf(folder, "optimizer"), Is.EqualTo("adam"));
            Assert.That(FactOf(folder, "input input"), Is.EqualTo("1×6×6"));
            Assert.That(FactOf(best, "parameters"), Is.EqualTo("151"));
            Assert.That(best.GetProperty("tensors").EnumerateArray().Select(each => each.GetProperty("name")
                .GetString()), Does.Contain("conv1.weight").And.Contain("conv1.weight/exp_avg"));
        });
        CommandLine people = CommandLine.Run("inspect", run);
        Assert.That(people.Output, Does.Contain("folder of checkpoints").And.Contain("4×1×3×3"));
    }

    [Test]
    public void EveryKindOfFileIsRecognizedByItsContent()
    {
        using var data = new TinyData();
        string torch = _folder.File("a"), onnx = _folder.File("b"), plain = _folder.File("c"), idx = _folder.File("d"),
            old = _folder.File("e");
        new TorchCheckpoint([new("w", [2, 3], new float[6])]).Write(torch);
        File.WriteAllBytes(onnx, OnnxExport.Write(BuiltInModels.Create("digits"),
            parameter => new float[parameter.Length]));
        File.WriteAllBytes(old, Convert.FromBase64String(TruthTable.Cases("checkpoints.json")
            .Single(each => each.Name == "old form").Json.GetProperty("file").GetString()!));
        new SafeTensors(new Dictionary<string, string> { ["by"] = "someone" }, [new("w", [2], [1, 2])]).Write(plain);
        File.WriteAllBytes(idx, TinyData.Idx(new byte[8], 2, 2, 2));
        (string File, string Kind, string Fact, string Value)[] files =
        [
            (torch, "PyTorch checkpoint", "weights", "6"), (old, "PyTorch checkpoint", "weights", "138"),
            (plain, "safetensors file", "by", "someone"),
            (onnx, "ONNX model", "output fc", "N×10"), (idx, "IDX file of bytes", "dimensions", "2×2×2"),
            (data.File("t10k-labels-idx1-ubyte.gz"), "IDX file of bytes", "dimensions", "31"),
            (data.Model, "graph", "layers", "5"), (data.Folder, "data", "form", "Idx"),
        ];
        foreach ((string file, string kind, string fact, string value) in files)
        {
            JsonElement json = Inspect(file);
            Assert.That(json.GetProperty("kind").GetString(), Is.EqualTo(kind), file);
            if (kind == "ONNX model")
                Assert.That(FactOf(json, "nodes"), Does.Contain("Conv"));
            else
                Assert.That(FactOf(json, fact), Is.EqualTo(value), file);
        }
    }

    [Test]
    public void WhatIsNotKnownOrDamagedIsRefused()
    {
        string file = _folder.File("unknown");
        foreach ((string content, string says) in (IEnumerable<(string, string)>)[("", "is empty"),
            ("text", "no known kind"), ("{\"a\":1}", "another program"), ("PK\u0003\u0004", "zip archive"),
            ("{\"format\":\"convnet-graph\"", "JSON")])
        {
            File.WriteAllBytes(file, Encoding.Latin1.GetBytes(content));
            CommandLine.Run("inspect", file).IsRefusedWith(says);
        }
        CommandLine.Run("inspect", _folder.File("missing")).IsRefusedWith("missing");
        CommandLine.Run("inspect").IsRefusedWith("needs FILE");
    }

    private static JsonElement Inspect(string file) => CommandLine.Run("inspect", file, "--json").Json();

    private static string? FactOf(JsonElement json, string name) => json.GetProperty("facts").EnumerateArray()
        .Single(fact => fact.GetProperty("name").GetString() == name).GetProperty("value").GetString();
}
