using System.Text.RegularExpressions;
using ConvNet.Examples;
using ConvNet.GradientChecking;
using NUnit.Framework;

namespace ConvNet.Tests.Examples;

/// <summary>The example that checks a library through a child program.</summary>
public sealed class AnyLibraryTests
{
    private static readonly string s_relu = Repository.Path("examples", "AnyLibrary", "relu.py");

    [OneTimeSetUp]
    public void NeedsPython()
    {
        try
        {
            Repository.Run(Repository.Root, "python3", ["--version"]);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("python3 is not installed.");
        }
    }

    [Test]
    public void AChildInPythonPassesInEveryMode()
    {
        var graph = new Graph(new Shape(3, 5, 7));
        Node first = graph.Add(new Relu(), graph.Input);
        graph.SetOutputs(graph.Add(new Relu(), first), first);
        using var backend = new ProcessBackend("relu", "python3", s_relu);
        foreach (GradientReport report in (GradientReport[])[GradientCheck.Run(graph, [backend]),
            GradientCheck.Run(new Relu(), [new Shape(17, 3, 5)], [backend])])
        {
            report.ThrowIfFailed();
            Assert.That(report.Layers.SelectMany(layer => layer.Tensors).Select(tensor => tensor.Name),
                Does.Contain("y").And.Contain("dx"));
        }
    }

    [TestCase("0 if x <= 0 else x for", "0 if x < -1 else x for", "y")]
    [TestCase("0 if x <= 0 else dy for", "0 if x < 0 else dy for", "dx")]
    public void AFaultInTheChildIsFound(string right, string wrong, string tensor)
    {
        string script = File.ReadAllText(s_relu);
        Assert.That(Regex.Count(script, Regex.Escape(right)), Is.EqualTo(1));
        using var folder = new TemporaryFolder();
        string faulty = folder.File("relu.py");
        File.WriteAllText(faulty, script.Replace(right, wrong, StringComparison.Ordinal));
        using var backend = new ProcessBackend("relu", "python3", faulty);
        GradientReport report = GradientCheck.Run(new Relu(), [new Shape(17, 3, 5)], [backend]);
        Assert.That(report.Failures.Select(failure => failure.Tensor.Name).Distinct(), Is.EqualTo([tensor]));
    }

    [Test]
    public void AnUnsupportedLayerIsNamedWithTheReasonOfTheChild()
    {
        using var backend = new ProcessBackend("relu", "python3", s_relu);
        Assert.That(() => backend.CompileInference(Sequential.Of(new Shape(1, 4, 4), new Relu(), new MaxPool2d(2)), 1),
            Throws.TypeOf<NotSupportedException>().With.Message.Match("maxpool1 .*: only relu is supported"));
    }

    [Test]
    public void TheExampleReportsWhatItComparedAndWhatNot()
    {
        CommandResult run = Run("relu", "python3", s_relu);
        Assert.That(run.ExitCode, Is.Zero, run.Output);
        Assert.That(run.Output, Does.Match(@"relu: 0 of [1-9]\d* layers wrong\n[\d,]{6,} values compared; "
            + @"\d+ of 600 "));
    }

    /// <summary>Runs the example as a program in a folder.</summary>
    internal static CommandResult Run(params string[] words) => Repository.Run(TestContext.CurrentContext.WorkDirectory,
        "dotnet", ["exec", typeof(ProcessBackend).Assembly.Location, .. words]);
}
