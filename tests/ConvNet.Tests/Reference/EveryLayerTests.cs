using System.Reflection;
using System.Text.RegularExpressions;
using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Reference;

/// <summary>Every layer of the library declares all that others need to know of it, and nobody else asks for its
/// type.</summary>
[TestFixtureSource(nameof(Types))]
public sealed class EveryLayerTests(Type type)
{
    private static readonly HashSet<Type> s_random
        = [.. Seeds(3_000).Select(seed => RandomCases.Layer(seed).Layer.GetType())];

    private static readonly HashSet<Type> s_inGraphs = [.. Seeds(800)
        .SelectMany(seed => RandomCases.Graph(seed).Graph.Nodes)
        .Where(node => node.Layer is not null).Select(node => node.Layer!.GetType())];

    public static IEnumerable<Type> Types => typeof(Layer).Assembly.GetTypes()
        .Where(type => type.IsSubclassOf(typeof(Layer)) && !type.IsAbstract);

    private LayerDeclaration Declared => (LayerDeclaration)type.GetProperty("Declared")!.GetValue(null)!;

    private IEnumerable<LayerCase> Cases => LayerCases.All.Where(each => each.Layer.GetType() == type);

    [Test]
    public void ItIsInTheSetOfLayersOnce()
    {
        Assert.That(LayerSet.BuiltIn.Declarations.Count(each => each == Declared), Is.EqualTo(1));
        Assert.That(Cases.Select(each => each.Layer.Declaration), Is.All.SameAs(Declared));
        Assert.That(Declared.Summary, Is.Not.Empty);
    }

    [Test]
    public void ItsConstructorTakesWhatIsDeclaredWithTheSameDefaults()
    {
        ParameterInfo[] parameters
            = [.. type.GetConstructors().MaxBy(each => each.GetParameters().Length)!.GetParameters()];
        Assert.That(parameters.Select(each => each.Name),
            Is.EquivalentTo(Declared.Attributes.Select(each => each.Name)));
        foreach (ParameterInfo parameter in parameters)
        {
            string? declared = Declared.Attributes.Single(each => each.Name == parameter.Name).Default;
            Assert.That(parameter.HasDefaultValue, Is.EqualTo(declared is not null), parameter.Name);
            if (parameter is { HasDefaultValue: true, DefaultValue: { } value and not Enum })
                Assert.That(declared, Is.EqualTo(FormattableString.Invariant($"{value}").Replace("True", "true")
                    .Replace("False", "false")),
                    parameter.Name);
        }
    }

    [Test]
    public void ItHasAContractCaseAnExampleARandomCaseAndARandomGraph()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Cases, Is.Not.Empty, "contract case");
            Assert.That(Declared.Examples, Is.Not.Empty, "example");
            Assert.That(s_random, Does.Contain(type), "random case");
            Assert.That(s_inGraphs, Does.Contain(type), "random graph");
        });
    }

    [Test]
    public void ItComesBackFromJson()
    {
        foreach (LayerCase each in Cases)
        {
            var made = new LayerGradientCase(each.Layer, each.Inputs, new GradientCheckOptions());
            var read = (LayerGradientCase)GradientCaseFile.Read(GradientCaseFile.Write(made));
            Assert.That(read.Layer, Is.EqualTo(each.Layer));
        }
    }

    [Test]
    public void ItsResultsHaveBounds()
    {
        foreach (LayerExample example in Declared.Examples)
        {
            Assert.That(example.Layer.Accuracy, Is.Not.EqualTo(Accuracy.Measured),
                "a bound that follows from what it computes");
            using var managed = new ManagedBackend(1);
            GradientReport report = GradientCheck.Run(example.Layer, example.Inputs, [managed],
                new GradientCheckOptions { BatchSize = example.BatchSize, Modes = CheckModes.Real });
            Contract.Reports.AssertPasses(report);
            Assert.That(report.Layers.SelectMany(layer => layer.Tensors).Select(tensor => tensor.WorstInBounds),
                Is.All.LessThanOrEqualTo(1));
        }
    }

    [Test]
    public void EveryBackendRunsIt()
    {
        foreach (LayerExample example in Declared.Examples)
        {
            Graph graph = new LayerProbe(example.Layer, example.Inputs).Graph;
            var spec = new TrainingSpec(example.BatchSize, new MeanSquaredError(), new Sgd()) { InputGradient = true };
            using var torch = new TorchSharpBackend();
            torch.Compile(graph, spec).Dispose();
            using var native = new NativeBackend();
            Assert.That(native.Explain(graph, spec).Layers.Where(layer => layer.Name == "tested")
                .SelectMany(layer => layer.Calls).Select(call => call.Kernel), Has.None.Contains("C#"));
        }
    }

    [Test]
    public void NoFileOutsideTheTablesAsksForItsType()
    {
        // The checks of plans and of running statistics have formulas of their own, independent of the layers.
        string[] tables = ["LoweringTable.cs", "Fusion.cs", "ConvNet.TorchSharp/Lowering.cs",
            "ConvNet.Onnx/LayerNodes.cs", "ConvNet.Onnx/DropoutNodes.cs", "Plan/BilinearTerms.cs",
            "Plan/OperationReference.cs", "Plan/TailReference.cs", "Trajectories/RunningStatistics.cs"];
        var asks = new Regex(
            $@"(\b(is|as|case|or|and|not|typeof\(|OfType<)\s*\(?{type.Name}\b(?!\())"
            + $@"|(^\s*{type.Name}(\s+\w+|\s*\{{[^}}]*\}}.*)?\s*=>)", RegexOptions.Multiline);
        foreach (string file in Directory.EnumerateFiles(Repository.Path("src"), "*.cs", SearchOption.AllDirectories))
        {
            string path = file.Replace('\\', '/');
            if (path.Contains("/obj/", StringComparison.Ordinal)
                || path.Contains("/ConvNet.Managed/Layers/", StringComparison.Ordinal)
                || tables.Any(path.EndsWith))
                continue;
            Match found = asks.Match(string.Join('\n', File.ReadLines(file)
                .Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal))));
            Assert.That(found.Success, Is.False, $"{path}: {found.Value}");
        }
    }

    private static IEnumerable<ulong> Seeds(int count) => Enumerable.Range(1, count).Select(seed => (ulong)seed);
}
