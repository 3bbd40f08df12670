using ConvNet.GradientChecking;
using ConvNet.Serialization;
using ConvNet.Summaries;
using ConvNet.UserLayers;
using NUnit.Framework;

namespace ConvNet.Tests.Contract;

/// <summary>A layer of another assembly is saved, loaded, checked, shrunk and shown like those of the
/// library.</summary>
public sealed class DeclaredUserLayerTests
{
    private static readonly LayerSet s_layers = LayerSet.BuiltIn.With(GainRelu.Declared);

    [Test]
    public void ItComesFromAnAssemblyThatSeesThePublicMembersOnly()
    {
        Assert.That(typeof(GainRelu).Assembly,
            Is.Not.EqualTo(typeof(Layer).Assembly).And.Not.EqualTo(GetType().Assembly));
        Assert.That(typeof(Layer).Assembly.GetCustomAttributesData().SelectMany(data => data.ConstructorArguments)
            .Select(argument => argument.Value), Has.None.EqualTo(typeof(GainRelu).Assembly.GetName().Name));
    }

    [Test]
    public void ItsModelIsSavedAndLoaded()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "model.safetensors");
        using var managed = new ManagedBackend();
        using IExecutable net = managed.CompileInference(Graph(), 2);
        net.Initialize(new HeNormal(1));
        SavedModel.Save(path, net);
        SavedModel loaded = SavedModel.Load(path, layers: s_layers);
        Assert.That(loaded.Graph.Nodes.Select(node => node.Layer),
            Is.EqualTo(Graph().Nodes.Select(node => node.Layer)));
        Assert.That(() => SavedModel.Load(path),
            Throws.TypeOf<InvalidDataException>().With.Message
                .Contains("layer \"gainrelu\" is unknown; use one of conv"));
    }

    [Test]
    public void WhatAFileSaysOfItIsChecked()
    {
        Graph read = Read("""{ "layer": "gainrelu", "shared": true }""");
        Assert.That(read.Output.Layer, Is.EqualTo(new GainRelu(shared: true)));
        Assert.That(() => Read("""{ "layer": "gainrelu", "gain": 5 }"""),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("nodes[0]: gainrelu: gain 5 is not in (0, 4]"));
        Assert.That(() => Read("""{ "layer": "gainrelu", "slope": 5 }"""),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("\"slope\" is unknown"));
        static Graph Read(string node) => GraphJson.Read(
            $$"""{ "format": "convnet-graph", "version": 1, "input": [2, 3, 3], "nodes": [{{node}}] }""",
                layers: s_layers);
    }

    [Test]
    public void RandomCasesOfItAreCheckedAndWrittenDown()
    {
        using var managed = new ManagedBackend();
        LayerGradientCase[] cases = [.. Enumerable.Range(1, 1_000)
            .Select(seed => RandomCases.Layer((ulong)seed, layers: s_layers))
            .Where(made => made.Layer is GainRelu).Take(3)];
        Assert.That(cases, Has.Length.EqualTo(3), "random layers");
        foreach (LayerGradientCase made in cases)
        {
            Reports.AssertPasses(made.Run([managed]));
            Assert.That($"{GradientCaseFile.Read(GradientCaseFile.Write(made), layers: s_layers)}",
                Is.EqualTo($"{made}"));
        }
        Assert.That(Enumerable.Range(1, 800).Select(seed => RandomCases.Graph((ulong)seed, s_layers))
            .Count(made => made.Graph.Nodes.Any(node => node.Layer is GainRelu)), Is.GreaterThan(5), "random graphs");
    }

    [Test]
    public void ACaseWithItShrinks()
    {
        var made = new LayerGradientCase(new GainRelu(gain: 2), [new Shape(17, 5, 3)],
            new GradientCheckOptions { BatchSize = 5 });
        var least = (LayerGradientCase)Shrinker.Shrink(made,
            each => each is LayerGradientCase { Layer: GainRelu }).Case;
        Assert.That(least.Layer, Is.EqualTo(new GainRelu(shared: true)));
        Assert.That(least.Inputs, Is.EqualTo((Shape[])[new Shape(1, 1, 1)]));
    }

    [Test]
    public void ItIsShownWithItsAttributes()
    {
        Assert.That($"{new GainRelu()}", Is.EqualTo("GainRelu { Gain = 1, Shared = False }"));
        Assert.That(ModelSummary.Of(Graph()).Layers.Select(layer => layer.Type), Does.Contain("gainrelu"));
    }

    [Test]
    public void TwoKindsOfOneNameAreRefused()
        => Assert.That(() => s_layers.With(GainRelu.Declared),
            Throws.ArgumentException.With.Message.Contains("\"gainrelu\""));

    private static Graph Graph() => Sequential.Of(new Shape(2, 5, 4), new Conv2d(3, 3), new GainRelu(0.5f),
        new Flatten(),
        new Linear(3));
}
