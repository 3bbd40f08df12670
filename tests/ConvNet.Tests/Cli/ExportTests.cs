using System.Text.Json;
using ConvNet.Data;
using ConvNet.Serialization;
using Microsoft.ML.OnnxRuntime;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary><c>convnet export</c>.</summary>
public sealed class ExportTests
{
    private readonly TemporaryFolder _folder = new();
    private string _model = "";

    [OneTimeSetUp]
    public void Train()
    {
        _model = _folder.File("digits.safetensors");
        CommandLine.Run("train", "--backend", "managed", "--epochs", "1", "--average", "ema", "--save", _model)
            .Succeeds();
    }

    [OneTimeTearDown]
    public void Delete() => _folder.Dispose();

    [Test]
    public void WeightsGoToPyTorchAndBack()
    {
        string weights = _folder.File("digits.pt"), back = _folder.File("back.safetensors");
        JsonElement written = CommandLine.Run("export", "--load", _model, "--pytorch", weights, "--json").Json();
        Assert.That(CommandLine.NamesOf(written), Is.EqualTo("model, file, bytes, tensors, parameters"));
        JsonElement read = CommandLine.Run("import", weights, "--model", "digits", "--save", back, "--json").Json();
        Assert.That(CommandLine.NamesOf(read), Is.EqualTo("file, saved, model, inputs, outputs, tensors, parameters"));
        SavedModel first = SavedModel.Load(_model), second = SavedModel.Load(back);
        foreach ((Parameter own, Parameter other) in first.Graph.Parameters.Zip(second.Graph.Parameters))
            Assert.That(second.ValuesOf(other, averaged: false), Is.EqualTo(first.ValuesOf(own, averaged: false)));
        CommandLine.Run("import", weights).IsRefusedWith("no network", "--model");
        CommandLine.Run("import", weights, "--model", "lenet5").IsRefusedWith("do not fit the network", "--names");
        CommandLine.Run("import", weights, "--classes", "3").IsRefusedWith("--classes", "--model");
        CommandLine.Run("export", "--load", _model).IsRefusedWith("--onnx or --pytorch");
        CommandLine.Run("export", "--load", _model, "--pytorch", weights, "--fold").IsRefusedWith("--fold", "--onnx");
    }

    [Test]
    public void TheFileClassifiesTestImagesAsEvalDoes([Values] bool averaged)
    {
        string file = _folder.File("digits.onnx");
        string[] more = averaged ? ["--averaged"] : [];
        JsonElement json = CommandLine.Run(["export", "--load", _model, "--onnx", file, "--normalize", "--fold",
            "--classes", "0,1,2,3,4,5,6,7,8,9", "--json", .. more]).Json(),
            eval = CommandLine.Run(["eval", "--load", _model, "--backend", "managed", "--json", .. more]).Json();
        PixelSet images = ImageData.Open("digits").Test;
        using var session = new InferenceSession(file);
        float[] pixels = Array.ConvertAll(images.Pixels.ToArray(), value => (float)value);
        using var input = OrtValue.CreateTensorValueFromMemory(pixels, [images.Count, 1, 8, 8]);
        using var run = new RunOptions();
        using IDisposableReadOnlyCollection<OrtValue> results = session.Run(run, ["pixels"], [input],
            session.OutputNames);
        float[] scores = results[0].GetTensorDataAsSpan<float>().ToArray();
        int right = Enumerable.Range(0, images.Count).Count(i => scores[(10 * i)..(10 * i + 10)].Index()
            .MaxBy(score => score.Item).Index == images.Labels.Span[i]);
        Assert.Multiple(() =>
        {
            Assert.That(CommandLine.NamesOf(json), Is.EqualTo("model, file, bytes, operatorSet, inputs, outputs, "
                + "nodes, operators, classes"));
            Assert.That(json.GetProperty("bytes").GetInt64(), Is.EqualTo(new FileInfo(file).Length));
            Assert.That((double)right / images.Count,
                Is.EqualTo(eval.GetProperty("testAccuracy").GetDouble()).Within(1e-9));
            Assert.That(session.ModelMetadata.CustomMetadataMap["classes"], Does.Contain("\"9\""));
        });
    }

    [Test]
    public void WrongRequestsAreRefusedAndWriteNothing()
    {
        string file = _folder.File("refused.onnx");
        CommandLine Export(params string[] more)
            => CommandLine.Run(["export", "--load", _model, "--onnx", file, .. more]);
        Export("--opset", "16").IsRefusedWith("--opset", "16", "17 to 24");
        Export("--classes", "a,b").IsRefusedWith("--classes", "2", "10×1×1");
        CommandLine.Run("export", "--load", _model).IsRefusedWith("--onnx");
        Assert.That(File.Exists(file), Is.False);
    }
}
