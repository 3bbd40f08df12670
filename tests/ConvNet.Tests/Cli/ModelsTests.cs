using System.Text.Json;
using ConvNet.Cli;
using ConvNet.Models;
using ConvNet.Serialization;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary><c>convnet models</c> lists the built-in networks, and <c>summary --save</c> writes them.</summary>
public sealed class ModelsTests
{
    [Test]
    public void EveryModelIsListed()
    {
        CommandLine run = CommandLine.Run("models");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok), run.Error);
        foreach (BuiltInModel model in BuiltInModels.All)
            Assert.That(run.Output, Does.Match($@"\b{model.Name} +{model.Input} +{model.Classes} .*{model.Source}"));
        Assert.That(run.Output, Does.Contain("61,706").And.Contain("25,557,032"));
    }

    [Test]
    public void TheDocumentHasTheNumbers()
    {
        JsonElement[] models = [.. CommandLine.Run("models", "--json").Json().GetProperty("models").EnumerateArray()];
        Assert.That(models.Select(model => model.GetProperty("name").GetString()), Is.EqualTo(BuiltInModels.Names));
        JsonElement lenet5 = models.Single(model => model.GetProperty("name").GetString() == "lenet5");
        Assert.That(CommandLine.NamesOf(lenet5), Is.EqualTo("name, input, classes, parameters, multiplyAdds, source"));
        Assert.That(lenet5.GetProperty("parameters").GetInt64(), Is.EqualTo(61_706));
    }

    [TestCase("densenet121")]
    [TestCase("googlenet_aux")]
    public void ASavedGraphIsReadByItsFile(string model)
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("model.json");
        JsonElement built = CommandLine.Run("summary", "--model", model, "--save", file, "--json").Json(),
            read = CommandLine.Run("summary", "--model", file, "--json").Json();
        Assert.That(read.GetProperty("layers").GetRawText(), Is.EqualTo(built.GetProperty("layers").GetRawText()));
        Assert.That(File.ReadAllText(file), Is.EqualTo(GraphJson.Write(BuiltInModels.Create(model)) + "\n"));
    }

    [Test]
    public void AGraphIsNotSavedOverItsFile()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("model.json");
        File.WriteAllText(file, GraphJson.Write(BuiltInModels.Create("digits")));
        CommandLine.Run("summary", "--model", file, "--save", file).IsRefusedWith("--save", "--model");
    }
}
