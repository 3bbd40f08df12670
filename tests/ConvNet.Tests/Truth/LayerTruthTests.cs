using ConvNet.Serialization;
using NUnit.Framework;

namespace ConvNet.Tests.Truth;

/// <summary>The reference passes of every layer in double precision, against PyTorch's.</summary>
[TestFixture]
public sealed class LayerTruthTests
{
    public static IEnumerable<TruthCase> Cases => TruthTable.Cases("layers");

    [TestCaseSource(nameof(Cases))]
    public void AgreesWithPyTorch(TruthCase known)
    {
        bool training = known.Json.GetProperty("training").GetBoolean();
        Layer layer = LayerOf(known);
        Shape[] shapes = [.. known.Lists("inputs").Select(s => new Shape((int)s[0], (int)s[1], (int)s[2]))];
        IReadOnlyList<ParameterSpec> specs = layer.Parameters(shapes);
        Assert.That(known.Named("weights").Select(w => w.Key), Is.EqualTo(specs.Select(spec => spec.Name)));
        var values = new LayerValues<double>(layer, shapes, known.Json.GetProperty("batch").GetInt32(),
            known.Lists("x"),
            [.. known.Named("weights").Select(w => w.Value)], training ? known.Values("dy") : [], 0, 0, 0)
        { Training = training };
        var run = new LayerRun<double>(values, backward: training);

        TruthTable.AssertAgree(run.Y, known.Values("y"), "y");
        foreach (var (name, buffer) in known.Named("buffers"))
            TruthTable.AssertAgree(run.W[IndexOf(name)], buffer, name);
        if (!training)
            return;
        double[][] dx = known.Lists("dx");
        for (int i = 0; i < dx.Length; i++)
            TruthTable.AssertAgree(run.DX[i], dx[i], $"dx{i}");
        foreach (var (name, dw) in known.Named("dw"))
            TruthTable.AssertAgree(run.DW[IndexOf(name)], dw, $"d{name}");

        int IndexOf(string name) => specs.Index().Single(each => each.Item.Name == name).Index;
    }

    [Test]
    public void EveryLayerHasACase()
        => Assert.That(Cases.Select(known => LayerOf(known).Kind).Distinct(),
            Is.EquivalentTo(LayerSet.BuiltIn.Declarations.Select(declared => declared.Kind)));

    private static Layer LayerOf(TruthCase known)
        => LayerSet.BuiltIn.Read(new JsonReader(known.Json.GetProperty("layer"), known.Name));
}
