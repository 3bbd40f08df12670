using System.Text.Json;
using ConvNet.Data;
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
