using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Serialization;
using ConvNet.Tests.Data;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary>A model with finite weights whose scores overflow is no model that was tested.</summary>
public sealed class NotFiniteScoresTests
{
    private TinyData _data = null!;

    private string Model => _data.File("large.safetensors");

    [OneTimeSetUp]
    public void SaveAModelOfLargeWeights()
    {
        _data = new TinyData();
        Assert.That(CommandLine.Run("train", "--backend", "managed", "--data", _data.Folder, "--model", _data.Model,
            "--epochs", "1", "--save", Model).ExitCode, Is.Zero);
        var saved = SavedModel.Load(Model);
        using var backend = new ManagedBackend();
        using IExecutable network = backend.CompileInference(saved.Graph, 1);
        saved.CopyTo(network);
        foreach (Parameter parameter in saved.Graph.Parameters)
        {
            var values = new float[parameter.Length];
            network.Read(parameter, values);
            network.Write(parameter, Array.ConvertAll(values, value => value * 1e25f));
        }
        SavedModel.Save(Model, network, saved.Normalization);
    }

    [OneTimeTearDown]
    public void DeleteData() => _data.Dispose();

    [Test]
    public void EvalNamesThemAndFails([Values("managed", "native", "torchsharp")] string backend)
    {
        string[] words = ["eval", "--backend", backend, "--data", _data.Folder, "--load", Model];
        CommandLine run = CommandLine.Run(words), json = CommandLine.Run([.. words, "--json"]);
        Assert.Multiple(() =>
        {
            Assert.That((run.ExitCode, json.ExitCode), Is.EqualTo((ExitCode.Failed, ExitCode.Failed)));
            Assert.That(run.Error, Does.StartWith("convnet: The scores of ")
                .And.Contain($"of {TinyData.TestCount} test images are not finite, so these have no predicted "
                + "class. The first is image 0 (counting from 0): ")
                .And.Contain("the output of \"linear1\" (linear) is the first to contain"));
            Assert.That(run.Error.TrimEnd(), Does.Not.Contain("\n"));
            using var document = JsonDocument.Parse(json.Output);
            Assert.That(document.RootElement.GetProperty("notFinite").GetInt32(),
                Is.Positive.And.LessThanOrEqualTo(TinyData.TestCount));
            Assert.That(document.RootElement.GetProperty("testAccuracy").GetDouble(),
                Is.LessThanOrEqualTo(1 - document.RootElement.GetProperty("notFinite")
                .GetInt32() / (double)TinyData.TestCount));
        });
    }

    [Test]
    public void AModelThatIsRightHasNone()
    {
        JsonElement json = CommandLine.Run("train", "--backend", "managed", "--data", _data.Folder, "--model",
            _data.Model, "--epochs", "1", "--json").Json();
        Assert.That(json.GetProperty("notFinite").GetInt32(), Is.Zero);
    }
}
