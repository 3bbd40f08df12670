using System.Text.RegularExpressions;
using ConvNet.Cli;
using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Docs;

// <example>
// y = x where x > 0, else x/8: the derivative is 1 or 1/8.
internal record MyActivation : Layer
{
    public override Shape Infer(params ReadOnlySpan<Shape> inputs) => Single(inputs);

    public override void Forward<T>(in Frame<T> f)
    {
        for (int i = 0; i < f.Y.Length; i++)
            f.Y[i] = f.X(0)[i] > T.Zero ? f.X(0)[i] : f.X(0)[i] / T.CreateChecked(8);
    }

    public override void Backward<T>(in Frame<T> f)
    {
        for (int i = 0; f.WantsDX(0) && i < f.DY.Length; i++)
            f.DX(0)[i] = f.X(0)[i] > T.Zero ? f.DY[i] : f.DY[i] / T.CreateChecked(8);
    }
}

// The derivative below 0 is missing.
internal sealed record FaultyActivation : MyActivation
{
    public override void Backward<T>(in Frame<T> f)
    {
        for (int i = 0; f.WantsDX(0) && i < f.DY.Length; i++)
            f.DX(0)[i] = f.X(0)[i] > T.Zero ? f.DY[i] : T.Zero;
    }
}

// A backend of your own implements IBackend; this one passes everything on.
internal sealed class MyBackend : IBackend
{
    private readonly ManagedBackend _inner = new();

    public BackendInfo Info => _inner.Info with { Name = "mine" };

    public IExecutable Compile(Graph graph, TrainingSpec spec) => _inner.Compile(graph, spec);

    public IExecutable CompileInference(Graph graph, int batchSize) => _inner.CompileInference(graph, batchSize);

    public void Dispose() => _inner.Dispose();
}

public sealed class GradientTests
{
    [Test]
    public void MyLayerHasTheGradientsOfItsFormula()
    {
        using var managed = new ManagedBackend();
        using var native = new NativeBackend();
        GradientReport report = GradientCheck.Run(new MyActivation(), [new Shape(3, 5, 7)], [managed, native]);
        report.ThrowIfFailed();
    }

    [Test]
    public void MyBackendTrainsMyNetworkAsTheOthersDo()
    {
        Graph graph = Sequential.Of(new Shape(1, 12, 12), new Conv2d(6, 3, padding: 1), new MyActivation(),
            new MaxPool2d(2), new Flatten(), new Linear(10));
        using var mine = new MyBackend();
        GradientReport report = GradientCheck.Run(graph, [mine], new GradientCheckOptions { BatchSize = 4, Seed = 7 });
        report.ThrowIfFailed();
        Assert.That(report.Layers.Select(layer => layer.Layer), Does.Contain("myactivation1"));
    }

    // Would the check have seen a bug? One is put in, and must be found.
    [Test]
    public void AFaultInMyLayerWouldBeFound()
    {
        using var managed = new ManagedBackend();
        GradientReport report = GradientCheck.Run(new FaultyActivation(), [new Shape(3, 5, 7)], [managed]);
        Assert.That(() => report.ThrowIfFailed(), Throws.TypeOf<GradientCheckException>());
    }
}
// </example>

/// <summary>What docs/gradient-validation.md shows is what runs here.</summary>
public sealed class GradientValidationTests
{
    private static readonly string s_document = File.ReadAllText(Repository.Path("docs", "gradient-validation.md"));

    public static IEnumerable<string> Commands => Regex.Matches(s_document, @"convnet (gradcheck [^`\n]*)")
        .Select(match => match.Groups[1].Value.Trim());

    [Test]
    public void TheDocumentShowsTheseTests()
    {
        string source =
            File.ReadAllText(Repository.Path("tests", "ConvNet.Tests", "Docs", "GradientValidationTests.cs"));
        string Between(string text, string begin, string end) => text.Split(begin)[1].Split(end)[0].Trim();
        Assert.That(Between(s_document, "using NUnit.Framework;\n", "```"),
            Is.EqualTo(Between(source, "// <example>\n", "// </example>")));
    }

    [Test]
    public void TheDocumentShowsTheChildProgram()
        => Assert.That(s_document.Split("```python\n")[1].Split("```")[0],
            Is.EqualTo(File.ReadAllText(Repository.Path("examples", "AnyLibrary", "relu.py"))));

    [TestCaseSource(nameof(Commands))]
    public void EveryCommandInItParses(string command)
        => Assert.That(App.Describe().Parse(command.Split(' ')).Errors, Is.Empty);

    [Test]
    public void ItsRecipesRunInThreeSystems()
        => Assert.That(Commands.Count(command => command.Contains("--junit gradients.xml ", StringComparison.Ordinal)),
            Is.EqualTo(3));

    [TestCase("sweep", "0 false alarms", "torchsharp")]
    [TestCase("rules", "| exact mode  ", "torchsharp")]
    [TestCase("canaries", "100% and real mode", "torchsharp")]
    [TestCase("canaries-winograd", "native:avx512:winograd2", "native:avx512:winograd4")]
    public void ItsTableIsThereAsTheProgramWroteIt(string section, params string[] words)
    {
        string table = s_document.Split($"<!-- bench {section} -->")[1].Split("<!-- end -->")[0];
        foreach (string word in words.Append("./convnet gradcheck --").Append("commit "))
            Assert.That(table, Does.Contain(word));
    }
}
