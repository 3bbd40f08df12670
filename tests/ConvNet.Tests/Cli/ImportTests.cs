using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Data;
using ConvNet.Models;
using ConvNet.Onnx;
using ConvNet.Serialization;
using ConvNet.Tests.Onnx;
using Google.Protobuf;
using NUnit.Framework;
using Onnx;

namespace ConvNet.Tests.Cli;

/// <summary><c>convnet import</c> and <c>convnet onnx-conformance</c>.</summary>
public sealed class ImportTests
{
    private readonly TemporaryFolder _folder = new();

    [OneTimeTearDown]
    public void Delete() => _folder.Dispose();

    [Test]
    public void AnExportedModelIsImportedWithItsNormalizationAndClasses()
    {
        string file = _folder.File("digits.onnx"), saved = _folder.File("digits.safetensors"),
            again = _folder.File("again.onnx");
        File.WriteAllBytes(file, Export(new OnnxExportOptions
        {
            Normalization = new(16, [0.25f], [0.5f]),
            ClassNames = [.. Enumerable.Range(0, 10).Select(digit => $"{digit}")],
        }));
        JsonElement json = CommandLine.Run("import", file, "--save", saved, "--json").Json(), exported;
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(json), Is.EqualTo("file, saved, inputs, outputs, "
                + "constantOutputs, layers, kinds, parameters, normalization, classes, constants, unsupported, "
                + "unseen"));
            Assert.That(CommandLine.NamesOf(json.GetProperty("inputs")[0]), Is.EqualTo("name, shape"));
            Assert.That(json.GetProperty("parameters").GetInt64(),
                Is.EqualTo(BuiltInModels.Create("digits").ParameterCount));
            Assert.That(CommandLine.NamesOf(json.GetProperty("normalization")),
                Is.EqualTo("maxValue, mean, standardDeviation"));
            Assert.That(json.GetProperty("classes").GetArrayLength(), Is.EqualTo(10));
            Assert.That(json.GetProperty("unsupported").GetArrayLength(), Is.Zero);
        });
        CommandLine.Run("eval", "--load", saved, "--data", "digits", "--backend", "managed").Succeeds();
        exported = CommandLine.Run("export", "--load", saved, "--onnx", again, "--normalize", "--json").Json();
        Assert.That(exported.GetProperty("classes").GetArrayLength(), Is.EqualTo(10));
        CommandLine.Run("train", "--weights", saved, "--backend", "managed", "--fast-dev-run").Succeeds();
        CommandLine.Run("summary", "--model", saved).Succeeds();
        CommandLine.Run("gradcheck", "--model", saved, "--batch", "1", "--mode", "exact", "--backends",
            "managed,native").Succeeds();
        CommandLine text = CommandLine.Run("import", again);
        text.Succeeds();
        Assert.That(text.Output, Does.Contain("with the normalisation of pixels").And.Contain("output"));
    }

    [Test]
    public void TheNormalizationOfAModelIsAddedOnRequest()
    {
        string plain = _folder.File("plain.onnx"), normalized = _folder.File("normalized.onnx"),
            saved = _folder.File("named.safetensors");
        File.WriteAllBytes(plain, Export(new OnnxExportOptions()));
        File.WriteAllBytes(normalized, Export(new OnnxExportOptions { Normalization = new(16, [0.25f], [0.5f]) }));
        JsonElement json = CommandLine.Run("import", plain, "--normalize", "mnist", "--save", saved, "--json").Json();
        Assert.That(json.GetProperty("normalization").GetProperty("maxValue").GetDouble(), Is.EqualTo(255));
        Assert.That(SavedModel.Load(saved).Normalization, Is.EqualTo(Normalization.Published("mnist")));
        CommandLine.Run("import", normalized, "--normalize", "mnist").IsRefusedWith("--normalize mnist", "Omit");
        CommandLine.Run("import", plain, "--normalize", "cifar10").IsRefusedWith("3");
        CommandLine.Run("import", plain, "--classes", "3").IsRefusedWith("--classes is an option of --model");
        CommandLine.Run("import", saved, "--model", "lenet5", "--unbatched").IsRefusedWith("--unbatched", "Omit");
    }

    [Test]
    public void AnOnnxModelIsTrainedWithoutItsConstants()
    {
        string file = _folder.File("scaled.onnx"), saved = _folder.File("trained.safetensors");
        ModelProto model = ModelProto.Parser.ParseFrom(Export(new OnnxExportOptions()));
        string output = model.Graph.Output[0].Name;
        model.Graph.Node.Add(OnnxModels.Node("Mul", [output, "two"], "scaled"));
        model.Graph.Output[0].Name = "scaled";
        File.WriteAllBytes(file, model.With("two", [], 2).ToByteArray());
        CommandLine text = CommandLine.Run("train", "--weights", file, "--backend", "native", "--epochs", "1",
            "--save", saved);
        text.Succeeds();
        SavedModel trained = SavedModel.Load(saved), before = OnnxImport.Read(file).ToSavedModel();
        Assert.Multiple(() =>
        {
            Assert.That(text.Output, Does.Contain("that are not trained: scaled.layer_scale"));
            Assert.That(trained.Frozen, Is.EqualTo((string[])["scaled.layer_scale"]));
            Assert.That(ValuesOf(trained, trained.Graph.Parameters[^1]), Is.All.EqualTo(2));
            Assert.That(ValuesOf(trained, trained.Graph.Parameters[0]), Is.Not.EqualTo(ValuesOf(before,
                before.Graph.Parameters[0])));
        });
        CommandLine.Run("train", "--resume", file).IsRefusedWith("contains a model but no training", "--weights");
        CommandLine.Run("train", "--weights", file, "--save", file).IsRefusedWith(".safetensors", "export");
    }

    [Test]
    public void WhatCannotBeImportedIsListedWithExitCode1()
    {
        string file = _folder.File("exp.onnx"), saved = _folder.File("exp.safetensors");
        File.WriteAllBytes(file, OnnxModels.Of([0, 3, 4, 4], 20, OnnxModels.Node("Sin", ["x"], "a"),
            OnnxModels.Node("NonZero", ["x"], "b"), OnnxModels.Node("Add", ["a", "b"], "y")).ToByteArray());
        CommandLine json = CommandLine.Run("import", file, "--save", saved, "--json"), text = CommandLine.Run("import",
            file);
        using var document = JsonDocument.Parse(json.Output);
        JsonElement unsupported = document.RootElement.GetProperty("unsupported");
        Assert.Multiple(() =>
        {
            Assert.That(json.ExitCode, Is.EqualTo(ExitCode.Failed));
            Assert.That(CommandLine.NamesOf(document.RootElement), Is.EqualTo("file, saved, unsupported, unseen"));
            Assert.That(unsupported.EnumerateArray().Select(each => each.GetProperty("operator").GetString()),
                Is.EqualTo((string[])["Sin", "NonZero"]));
            Assert.That(CommandLine.NamesOf(unsupported[0]), Is.EqualTo("domain, operator, reason, nodes, count"));
            Assert.That(text.ExitCode, Is.EqualTo(ExitCode.Failed));
            Assert.That(text.Output, Does.Contain("Sin").And.Contain("NonZero").And.Contain("no layer computes it"));
            Assert.That(text.Error, Does.Contain("2 nodes that cannot be imported").And.Contain("1 more nodes"));
            Assert.That(File.Exists(saved), Is.False);
        });
    }

    [Test]
    public void AFileWithoutADimensionOfSamplesIsImportedOnRequest()
    {
        string file = _folder.File("unbatched.onnx"), saved = _folder.File("unbatched.safetensors");
        File.WriteAllBytes(file, OnnxModels.Of([3, 4, 5], 20, OnnxModels.Node("Transpose", ["x"], "y")).ToByteArray());
        CommandLine batched = CommandLine.Run("import", file);
        Assert.That(batched.ExitCode, Is.EqualTo(ExitCode.Failed));
        Assert.That(batched.Output, Does.Contain("the dimension of the samples"));
        JsonElement json = CommandLine.Run("import", file, "--unbatched", "--save", saved, "--json").Json();
        Assert.That(json.GetProperty("outputs")[0].GetProperty("shape").EnumerateArray().Select(size
            => size.GetInt32()), Is.EqualTo((int[])[5, 4, 3]));
        CommandLine.Run("summary", "--model", saved).Succeeds();
    }

    [Test]
    public void NoPartOfTheInputIsOverwritten()
    {
        string data = _folder.File("w.bin"), file = _folder.File("parts.onnx"), shard = _folder.File("s1.safetensors"),
            index = _folder.File("s.safetensors.index.json"), graph = _folder.File("relu.json");
        ModelProto model = OnnxModels.Of([0, 1, 2, 2], 20, OnnxModels.Node("Conv", ["x", "w"], "y"))
            .With("w", [1, 1, 1, 1], 2);
        TensorProto weights = model.Graph.Initializer[0];
        File.WriteAllBytes(data, BitConverter.GetBytes(2f));
        (weights.RawData, weights.DataLocation) = (ByteString.Empty, TensorProto.Types.DataLocation.External);
        weights.FloatData.Clear();
        weights.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = "w.bin" });
        File.WriteAllBytes(file, model.ToByteArray());
        CommandLine.Run("import", file, "--save", data).IsRefusedWith("--save would overwrite", "w.bin");
        CommandLine.Run("export", "--load", file, "--onnx", data).IsRefusedWith("--onnx would overwrite", "w.bin");
        CommandLine.Run("train", "--weights", file, "--save", data).IsRefusedWith("--save would overwrite", "w.bin");
        CommandLine.Run("import", file, "--save", _folder.File("parts.safetensors")).Succeeds();
        new SafeTensors(new Dictionary<string, string>(), [new("conv1.weight", [1, 1, 1, 1], [2])]).Write(shard);
        File.WriteAllText(index, """{"weight_map":{"conv1.weight":"s1.safetensors"}}""");
        File.WriteAllText(graph, """
            { "format": "convnet-graph", "version": 1, "input": [1, 2, 2], "nodes": [
              { "layer": "conv", "outChannels": 1, "kernelSize": 1, "bias": false } ] }
            """);
        CommandLine.Run("import", index, "--model", graph, "--save", shard).IsRefusedWith("--save would overwrite",
            "s1.safetensors");
        CommandLine.Run("import", index, "--model", graph, "--save", _folder.File("whole.safetensors")).Succeeds();
        // Weights alone are no model.
        CommandLine.Run("train", "--weights", index, "--model", "lenet5").IsRefusedWith("no network", "convnet import");
        CommandLine.Run("train", "--weights", shard).IsRefusedWith("not a saved model", "convnet import");
    }

    [Test]
    public void WrongRequestsAreRefused()
    {
        string file = _folder.File("free.onnx"), text = _folder.File("text.onnx");
        File.WriteAllBytes(file, OnnxModels.Of([0, 3, 0, 0], 20, OnnxModels.Node("Relu", ["x"], "y")).ToByteArray());
        File.WriteAllText(text, "no model");
        CommandLine.Run("import").IsRefusedWith("import needs FILE");
        CommandLine.Run("import", file, "more").IsRefusedWith("import takes no more arguments");
        CommandLine.Run("import", "--sav", file).IsRefusedWith("no option \"--sav\"", "--save");
        CommandLine.Run("import", file).IsRefusedWith("free", "x=3x224x224");
        CommandLine.Run("import", file, "--input", "3x8").IsRefusedWith("3x8");
        CommandLine.Run("import", file, "--input", "z=3x8x8").IsRefusedWith("no input \"z\"");
        CommandLine.Run("import", file, "--save", file).IsRefusedWith("--save would overwrite the input");
        CommandLine.Run("import", text).IsRefusedWith("text.onnx", "not an ONNX model");
        string graph = _folder.File("graph.json");
        File.WriteAllText(graph, GraphJson.Write(BuiltInModels.Create("digits")));
        CommandLine.Run("import", graph).IsRefusedWith("graph.json is a graph of this program", "train --model");
        CommandLine.Run("import", file, "--unbatched", "--input", "3x8x8").IsRefusedWith("--unbatched");
        CommandLine.Run("import", _folder.File("missing.onnx")).IsRefusedWith("missing.onnx");
        CommandLine.Run("import", file, "--input", "x=3x8x8", "--json").Json();
        CommandLine.Run("onnx-conformance").IsRefusedWith("onnx-conformance needs DIR");
        CommandLine.Run("onnx-conformance", _folder.File("missing")).IsRefusedWith("missing", "libonnx-testdata");
        Directory.CreateDirectory(_folder.File("empty"));
        CommandLine.Run("onnx-conformance", _folder.File("empty")).IsRefusedWith("no cases");
    }

    [Test]
    public void ConformanceCountsCases()
    {
        string folder = _folder.File("suite/node");
        Case(folder, "test_relu", "Relu", 3);
        Case(folder, "test_hardmax", "Hardmax", 3);
        Case(folder, "test_nonzero", "NonZero", 3);
        JsonElement json = CommandLine.Run("onnx-conformance", _folder.File("suite"), "--json").Json();
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(json), Is.EqualTo("folder, backend, passed, folded, failed, "
                + "unsupported, others, reasons, cases"));
            Assert.That(CommandLine.NamesOf(json.GetProperty("reasons")[0]), Is.EqualTo("operator, cases, reason"));
            Assert.That(CommandLine.NamesOf(json.GetProperty("cases")[0]),
                Is.EqualTo("category, name, outcome, folded, failure"));
            Assert.That((json.GetProperty("passed").GetInt32(), json.GetProperty("unsupported").GetInt32(),
                json.GetProperty("others").GetInt32()), Is.EqualTo((1, 1, 1)));
        });
        Case(folder, "test_wrong", "Relu", 4);
        CommandLine failed = CommandLine.Run("onnx-conformance", folder, "--backend", "native");
        Assert.That(failed.ExitCode, Is.EqualTo(ExitCode.Failed));
        Assert.That(failed.Output, Does.Contain("failed: node/test_wrong: output y is 3 at index 0; it must be 4"));
        File.Delete(Path.Combine(folder, "test_relu", "test_data_set_0", "input_0.pb"));
        File.WriteAllText(Path.Combine(folder, "test_hardmax", "test_data_set_0", "input_0.pb"), "no tensor");
        failed = CommandLine.Run("onnx-conformance", folder, "--backend", "native");
        Assert.That(failed.ExitCode, Is.EqualTo(ExitCode.Failed));
        Assert.That(failed.Output, Does.Contain("failed: node/test_relu: there is no file with the value of the input "
            + "x").And.Contain("failed: node/test_hardmax: ").And.Contain("0 passed"));
    }

    private static void Case(string folder, string name, string type, float result)
    {
        string data = Path.Combine(folder, name, "test_data_set_0");
        Directory.CreateDirectory(data);
        File.WriteAllBytes(Path.Combine(folder, name, "model.onnx"), OnnxModels.Of([1, 1], 13,
            OnnxModels.Node(type, ["x"], "y")).ToByteArray());
        File.WriteAllBytes(Path.Combine(data, "input_0.pb"), OnnxExport.TensorOf("x", [1, 1], [3]).ToByteArray());
        File.WriteAllBytes(Path.Combine(data, "output_0.pb"), OnnxExport.TensorOf("y", [1, 1], [result])
            .ToByteArray());
    }

    private static float[] ValuesOf(SavedModel model, Parameter parameter)
        => model.ValuesOf(parameter, averaged: false);

    private static byte[] Export(OnnxExportOptions options) => OnnxExport.Write(BuiltInModels.Create("digits"),
        parameter => Samples.ParameterValues(parameter, parameter.Index), options);
}
