using System.Text.Json;
using ConvNet.Cli;
using NUnit.Framework;

namespace ConvNet.Tests.Cli;

/// <summary><c>convnet layers</c> shows what the layers declare.</summary>
public sealed class LayersTests
{
    [Test]
    public void EveryLayerIsListedWithEveryAttribute()
    {
        CommandLine run = CommandLine.Run("layers");
        Assert.That(run.ExitCode, Is.EqualTo(ExitCode.Ok));
        foreach (LayerDeclaration layer in LayerSet.BuiltIn.Declarations)
        {
            Assert.That(run.Output, Does.Contain(layer.Kind));
            foreach (AttributeDeclaration attribute in layer.Attributes)
                Assert.That(run.Output, Does.Match($"{layer.Kind}.* {attribute.Name} "), "a row of the attribute");
        }
    }

    [Test]
    public void TheDocumentSaysTheSame()
    {
        JsonElement[] layers = [.. CommandLine.Run("layers", "--json").Json().GetProperty("layers").EnumerateArray()];
        Assert.That(layers.Select(layer => layer.GetProperty("layer").GetString()),
            Is.EqualTo(LayerSet.BuiltIn.Declarations.Select(layer => layer.Kind)));
        JsonElement momentum = layers.Single(layer => layer.GetProperty("layer").GetString() == "bn")
            .GetProperty("attributes")[0];
        Assert.That($"{momentum.GetProperty("type")}, {momentum.GetProperty("default")}, "
            + $"{momentum.GetProperty("range")}",
            Is.EqualTo("number, 0.1, (0, 1], cumulative"));
    }
}
